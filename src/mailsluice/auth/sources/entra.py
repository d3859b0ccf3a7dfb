"""Access tokens from Microsoft Entra ID by client credentials (RFC 6749 §4.4).

Owns one request: what is asked, and what an answer means. Must never keep the secret or a token, and never
put a provider's whole answer into an error.

The library msal asks. It would remember the client secret for ever, and errors for a minute. So each request
has an msal application of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msal
import requests

from mailsluice.auth.aadsts import remedy
from mailsluice.auth.sources.source import Token, problem
from mailsluice.clock import Clock
from mailsluice.config.models import EntraCredential
from mailsluice.errors import TokenError, TokenRefused, TokenUnavailable
from mailsluice.net.https import NotAnswered, ProviderHttp, Refused, explain

_LIFETIME = 3600.0
"""Seconds that a token lives if its provider does not say it (RFC 6749 §5.1 only recommends it)."""
_TRANSIENT = {"temporarily_unavailable", "server_error"}


class EntraSource:
    """The tokens of one app registration (a `TokenSource`). `secret` is called for each request."""

    def __init__(
        self,
        credential: EntraCredential,
        secret: Callable[[], str],
        clock: Clock,
        http: Callable[[], ProviderHttp] | None = None,
    ) -> None:
        self._credential = credential
        self._secret = secret
        self._http = http or (lambda: ProviderHttp(credential.ca_file, clock))

    def ask(self) -> Token:
        """A new token. Raises SecretError, TokenRefused, TokenUnavailable."""
        secret = self._secret()
        try:
            answer = self._request(secret)
        except Refused as exc:
            answer = exc.answer
        except NotAnswered as exc:
            raise self.unavailable(str(exc), retry_after=exc.retry_after) from exc
        except requests.RequestException as exc:
            raise self.unavailable(explain(exc)) from exc
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
            # msal does not check the answer before it uses it. Without the cause: it may contain the answer.
            raise self.unavailable("its answer makes no sense") from None
        if "error" in answer:
            raise self._refused(answer, secret)
        value = answer.get("access_token")
        value = value if isinstance(value, str) else ""
        if wrong := problem(value):
            raise self.unavailable(f"its answer has no usable token: {wrong}")
        return Token(value, float(answer.get("expires_in", _LIFETIME)))

    def unavailable(self, why: str, *, retry_after: float = 0.0) -> TokenUnavailable:
        """The error that says why the provider could not be asked."""
        return TokenUnavailable(
            f"no token from {self._credential.authority}: {why}",
            remedy="check that this machine reaches the identity provider: name, route, proxy, and `ca_file`",
            retry_after=retry_after,
        )

    def _request(self, secret: str) -> Mapping[str, Any]:
        http = self._http()
        try:
            application = msal.ConfidentialClientApplication(
                self._credential.client_id,
                client_credential=secret,
                authority=self._credential.authority,
                http_client=http,
                # Otherwise msal asks Microsoft about each authority it does not know, and after each error.
                instance_discovery=False,
                # Otherwise MSAL_FORCE_REGION in the environment chooses the endpoint.
                azure_region=False,
            )
            answer: Mapping[str, Any] = application.acquire_token_for_client([self._credential.scope])
        finally:
            http.close()
        return answer

    def _refused(self, answer: Mapping[str, Any], secret: str) -> TokenError:
        error = _words(answer.get("error"), secret)
        if error in _TRANSIENT:
            return self.unavailable(f"it answered {error}")
        description = _words(answer.get("error_description"), secret)
        ids = ", ".join(
            f"{label} {_words(answer[key], secret)}"
            for key, label in (("trace_id", "trace"), ("correlation_id", "correlation"), ("timestamp", "at"))
            if answer.get(key)
        )
        return TokenRefused(
            f"{self._credential.authority} refused a token to application {self._credential.client_id}: "
            + ": ".join(filter(None, (error, description)))
            + (f" ({ids})" if ids else ""),
            remedy=remedy(description),
        )


def _words(text: object, secret: str) -> str:
    """The first line of this text: printable, of bounded length, and without the secret."""
    line = re.split(r"[\r\n]| Trace ID:", str(text or "").replace(secret, "[secret]"), maxsplit=1)[0]
    return "".join(c if c.isprintable() else "?" for c in line)[:300].strip()
