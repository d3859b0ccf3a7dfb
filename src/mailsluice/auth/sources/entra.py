"""A request to Microsoft Entra ID, and what its answer means (RFC 6749 §5).

Owns the translation of every answer and failure. What is asked is a `Request`, which other modules make. Must
never keep a secret or a token, and never put a provider's whole answer into an error.

The library msal asks. It would remember the client secret for ever, and errors for a minute. So each request
has an msal application of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from mailsluice.auth.sources.source import Token, problem
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import TokenBarred, TokenError, TokenRefused, TokenUnavailable
from mailsluice.net.https import NotAnswered, ProviderHttp, Refused, explain, fault_of_proxy, hint_of

_LIFETIME = 3600.0
"""Seconds that a token lives if its provider does not say it (RFC 6749 §5.1 only recommends it)."""
_CHECK_REACH = "check that this machine reaches the identity provider: name, route, proxy, and `ca_file`"
_TRANSIENT = {"temporarily_unavailable", "server_error"}

Answer = Mapping[str, Any]
"""The fields of the provider's answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `send` makes it with this HTTP client. Nothing in `hidden` is shown in an error.

    `remedy` says what to do about a refusal, by the provider's words for it.
    """

    send: Callable[[ProviderHttp], Answer] = field(repr=False)
    hidden: tuple[str, ...] = field(repr=False)
    remedy: Callable[[str], str]


class EntraSource:
    """The tokens of one app registration (a `TokenSource`).

    `prepare` makes each request: there a secret is read. It raises SecretError.
    """

    def __init__(
        self, credential: EntraCredential, prepare: Callable[[], Request], http: Callable[[], ProviderHttp]
    ) -> None:
        self._credential = credential
        self._prepare = prepare
        self._http = http

    def ask(self) -> Token:
        """A new token. Raises SecretError, TokenRefused, TokenUnavailable, TokenBarred."""
        return token_in(answered(self._credential, self._prepare(), self._http), self._credential)

    def unavailable(self, why: str) -> TokenUnavailable:
        """The error that says why the provider could not be asked."""
        return unavailable(self._credential, why)


def answered(credential: EntraCredential, request: Request, http: Callable[[], ProviderHttp]) -> Answer:
    """The provider's answer to this request, which is no error.

    Raises TokenRefused, TokenUnavailable, TokenBarred; SecretError for a proxy's password.
    """
    try:
        answer = _sent(request, http)
    except Refused as exc:
        answer = exc.answer
    except NotAnswered as exc:
        raise _unanswered(credential, exc, request.hidden) from exc
    except requests.RequestException as exc:
        raise _unreached(credential, exc) from exc
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
        # msal does not check the answer before it uses it. Without the cause: it may contain the answer.
        raise unavailable(credential, "its answer makes no sense") from None
    if "error" in answer:
        raise _refused(credential, answer, request)
    return answer


def token_in(answer: Answer, credential: EntraCredential) -> Token:
    """The access token in an answer. Raises TokenUnavailable if it has none that can be used."""
    value = answer.get("access_token")
    value = value if isinstance(value, str) else ""
    if wrong := problem(value):
        raise unavailable(credential, f"its answer has no usable token: {wrong}")
    return Token(value, float(answer.get("expires_in", _LIFETIME)))


def unavailable(
    credential: EntraCredential, why: str, *, retry_after: float = 0.0, remedy: str = _CHECK_REACH
) -> TokenUnavailable:
    """The error that says why the provider could not be asked."""
    return TokenUnavailable(
        f"no token from {credential.authority}: {why}", remedy=remedy, retry_after=retry_after
    )


def _unanswered(
    credential: EntraCredential, reason: NotAnswered, hidden: tuple[str, ...]
) -> TokenUnavailable:
    why = ": ".join(filter(None, (str(reason), _words(reason.said, hidden))))
    if not reason.throttled:
        return unavailable(credential, why, retry_after=reason.retry_after)
    return TokenUnavailable(
        f"no token from {credential.authority}, which throttles requests: {why}",
        remedy="nothing: it is asked again by itself; if this lasts for hours, find out what else asks for "
        f"tokens of application {credential.client_id} so often",
        retry_after=reason.retry_after,
    )


def _unreached(credential: EntraCredential, exc: requests.RequestException) -> TokenError:
    fault = fault_of_proxy(exc)
    if fault is None:
        return unavailable(
            credential, explain(exc), remedy="; ".join(filter(None, (_CHECK_REACH, hint_of(exc))))
        )
    if fault.refused:
        return TokenBarred(f"no token from {credential.authority}: {fault}", remedy=fault.remedy)
    return unavailable(credential, str(fault), remedy=fault.remedy)


def _sent(request: Request, make_http: Callable[[], ProviderHttp]) -> Answer:
    http = make_http()
    try:
        return request.send(http)
    finally:
        http.close()


def _refused(credential: EntraCredential, answer: Answer, request: Request) -> TokenError:
    hidden = request.hidden
    error = _words(answer.get("error"), hidden)
    if error in _TRANSIENT:
        return unavailable(credential, f"it answered {error}")
    description = _words(answer.get("error_description"), hidden)
    ids = ", ".join(
        f"{label} {_words(answer[key], hidden)}"
        for key, label in (("trace_id", "trace"), ("correlation_id", "correlation"), ("timestamp", "at"))
        if answer.get(key)
    )
    said = ": ".join(filter(None, (error, description)))
    return TokenRefused(
        f"{credential.authority} refused a token to application {credential.client_id}: {said}"
        + (f" ({ids})" if ids else ""),
        remedy=request.remedy(said),
    )


def _words(text: object, hidden: tuple[str, ...]) -> str:
    """The first line of this text: printable, of bounded length, and without what is hidden."""
    said = str(text or "")
    for secret in hidden:
        said = said.replace(secret, "[secret]")
    line = re.split(r"[\r\n]| Trace ID:", said, maxsplit=1)[0]
    return "".join(c if c.isprintable() else "?" for c in line)[:300].strip()
