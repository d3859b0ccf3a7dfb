"""Access tokens from Microsoft Entra ID by client credentials (RFC 6749 §4.4).

Owns a credential's one token in memory: when it is asked for, by whom, and until when it is good. Must
never write a token down, never ask twice at once, and never put a provider's answer whole into an error.

msal asks; what it would remember does not suit a daemon (an error for a minute, a good token only while
five minutes are left, the client secret for ever), so each request has an msal application of its own.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msal
import requests

from mailsluice.auth.aadsts import remedy
from mailsluice.auth.token import problem
from mailsluice.clock import Clock
from mailsluice.config.models import EntraCredential
from mailsluice.errors import SecretError, TokenError, TokenRefused, TokenUnavailable
from mailsluice.net.https import DEADLINE, NotAnswered, ProviderHttp, Refused, explain

_RENEW_AT = 0.75
"""The share of its life after which a token is renewed: enough is left to sit out an outage."""
_LAST_USE = 120.0
"""Seconds before its end after which a token is not handed out: connecting and AUTH take their time."""
_OLD = 300.0
"""Seconds of age from which a token that a server refused may lack a permission granted since."""
_FAILURE_HOLDS = 5.0
"""Seconds for which a failure answers everybody: those who waited for it, and the next mailboxes."""
_LIFETIME = 3600.0
"""Seconds a token lives if its provider does not say (RFC 6749 §5.1 leaves it free to)."""
_PATIENCE = DEADLINE + 5.0
"""Seconds to wait for a thread that asks: by then it has an outcome, or is stuck."""
_TRANSIENT = {"temporarily_unavailable", "server_error"}


@dataclass(frozen=True, slots=True)
class _Held:
    """A token, and the monotonic seconds of its life."""

    value: str = field(repr=False)
    since: float
    renew: float
    end: float


class EntraTokens:
    """The tokens of one app registration. `secret` is called for each request. Safe among threads."""

    def __init__(
        self,
        credential: EntraCredential,
        secret: Callable[[], str],
        clock: Clock,
        http: Callable[[], ProviderHttp] | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        self._credential = credential
        self._secret = secret
        self._clock = clock
        self._http = http or (lambda: ProviderHttp(credential.ca_file, clock))
        self._patience = patience
        self._asking = threading.Lock()
        self._held: _Held | None = None
        self._failure: TokenError | None = None
        self._failure_ends = 0.0

    def token(self) -> str:
        """A token good for two minutes at least: the one held, unless it is time for another.

        However many threads ask, one request is made; those who wait for it share its outcome. While
        the token held is still good, nobody waits but the thread that renews it, and if that fails the
        token held is used to its end. Raises SecretError, TokenRefused, TokenUnavailable.
        """
        held, now = self._held, self._clock.monotonic()
        if held and now < held.renew:
            return held.value
        usable = held is not None and now < held.end
        if not self._asking.acquire(timeout=0 if usable else self._patience):
            if held and usable:
                return held.value
            raise self._unavailable(
                f"another poll has been asking for more than {self._patience:.0f} seconds"
            )
        try:
            return self._renewed()
        finally:
            self._asking.release()

    def forget(self, token: str) -> None:
        """A server refused this token: ask for another if it is old; a young one would come back the same."""
        held = self._held
        if held and held.value == token and self._clock.monotonic() - held.since >= _OLD:
            self._held = None

    def _renewed(self) -> str:
        held, now = self._held, self._clock.monotonic()
        if held and now < held.renew:
            return held.value
        try:
            self._held = held = self._asked()
        except (SecretError, TokenError):
            if held is None or now >= held.end:
                raise
        return held.value

    def _asked(self) -> _Held:
        """Ask once; but while a failure holds, it is the answer."""
        since = self._clock.monotonic()
        if self._failure and since < self._failure_ends:
            raise _copy(self._failure)
        try:
            value, lifetime = self._answer()
        except TokenError as exc:
            self._failure = _copy(exc)
            wait = exc.__cause__.retry_after if isinstance(exc.__cause__, NotAnswered) else 0.0
            self._failure_ends = self._clock.monotonic() + max(wait, _FAILURE_HOLDS)
            raise
        return _Held(value, since, since + lifetime * _RENEW_AT, since + lifetime - _LAST_USE)

    def _answer(self) -> tuple[str, float]:
        """The provider's token and its life in seconds."""
        secret = self._secret()
        try:
            answer = self._request(secret)
        except Refused as exc:
            answer = exc.answer
        except requests.RequestException as exc:
            raise self._unavailable(explain(exc)) from exc
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
            # msal trusts a provider's answer to be one. The cause is left out, for it may carry the answer.
            raise self._unavailable("its answer makes no sense") from None
        if "error" in answer:
            raise self._refused(answer, secret)
        value = answer.get("access_token")
        value = value if isinstance(value, str) else ""
        if wrong := problem(value):
            raise self._unavailable(f"its answer has no token that could be used: {wrong}")
        return value, float(answer.get("expires_in", _LIFETIME))

    def _request(self, secret: str) -> Mapping[str, Any]:
        http = self._http()
        try:
            application = msal.ConfidentialClientApplication(
                self._credential.client_id,
                client_credential=secret,
                authority=self._credential.authority,
                http_client=http,
                # Otherwise msal asks Microsoft about every authority it does not know, and after each error.
                instance_discovery=False,
                # Otherwise MSAL_FORCE_REGION in the environment chooses the endpoint.
                azure_region=False,
            )
            answer: Mapping[str, Any] = application.acquire_token_for_client([self._credential.scope])
        finally:
            http.close()
        return answer

    def _unavailable(self, why: str) -> TokenUnavailable:
        return TokenUnavailable(
            f"no token from {self._credential.authority}: {why}",
            remedy="see that this machine reaches the identity provider: name, route, proxy, and `ca_file`",
        )

    def _refused(self, answer: Mapping[str, Any], secret: str) -> TokenError:
        error = _words(answer.get("error"), secret)
        if error in _TRANSIENT:
            return self._unavailable(f"it answered {error}")
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


def _copy(error: TokenError) -> TokenError:
    """The same error without its traceback, whose frames know the secret, for many threads to raise."""
    return type(error)(str(error), remedy=error.remedy)


def _words(text: object, secret: str) -> str:
    """The first line of what the provider said, printable and of bounded length; never the secret."""
    line = re.split(r"[\r\n]| Trace ID:", str(text or "").replace(secret, "[secret]"), maxsplit=1)[0]
    return "".join(c if c.isprintable() else "?" for c in line)[:300].strip()
