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

from mailsluice.auth.sources.refusal import Remedy, way_remedy
from mailsluice.auth.sources.source import Token, problem
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import Obstacle, TokenBarred, TokenError, TokenRefused, TokenUnavailable
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

    `remedy` says what to do about a refusal.
    """

    send: Callable[[ProviderHttp], Answer] = field(repr=False)
    hidden: tuple[str, ...] = field(repr=False)
    remedy: Remedy


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
        answer, clock_ahead = _sent(credential, request, http)
    except NotAnswered as exc:
        raise _unanswered(credential, exc, request.hidden) from exc
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
        # msal does not check the answer before it uses it. Without the cause: it may contain the answer.
        raise unavailable(credential, "its answer makes no sense") from None
    if "error" in answer:
        raise _refused(credential, answer, request, clock_ahead)
    return answer


def token_in(answer: Answer, credential: EntraCredential) -> Token:
    """The access token in an answer. Raises TokenUnavailable if it has none that can be used."""
    value = answer.get("access_token")
    value = value if isinstance(value, str) else ""
    if wrong := problem(value):
        raise unavailable(credential, f"its answer has no usable token: {wrong}")
    return Token(value, float(answer.get("expires_in", _LIFETIME)))


def unavailable(
    credential: EntraCredential,
    why: str,
    *,
    retry_after: float = 0.0,
    remedy: str = _CHECK_REACH,
    said: str = "",
    obstacle: Obstacle | None = None,
) -> TokenUnavailable:
    """The error that says why the provider could not be asked."""
    return TokenUnavailable(
        f"no token from {credential.authority}: {why}",
        remedy=remedy,
        retry_after=retry_after,
        said=said,
        obstacle=obstacle,
    )


def _unanswered(
    credential: EntraCredential, reason: NotAnswered, hidden: tuple[str, ...]
) -> TokenUnavailable:
    said = _words(reason.said, hidden)
    why = ": ".join(filter(None, (str(reason), said)))
    if not reason.throttled:
        return unavailable(credential, why, retry_after=reason.retry_after, said=said)
    return TokenUnavailable(
        f"no token from {credential.authority}, which throttles requests: {why}",
        remedy="nothing: it is asked again by itself; if this lasts for hours, find out what else asks for "
        f"tokens of application {credential.client_id} so often",
        retry_after=reason.retry_after,
        said=said,
    )


def _unreached(
    credential: EntraCredential, exc: requests.RequestException, obstacle: Obstacle | None
) -> TokenError:
    fault = fault_of_proxy(exc)
    if fault is None:
        error = unavailable(credential, explain(exc), obstacle=obstacle)
        error.remedy = "; ".join(filter(None, (way_remedy(credential, error), hint_of(exc))))
        return error
    if fault.refused:
        return TokenBarred(
            f"no token from {credential.authority}: {fault}", remedy=fault.remedy, obstacle=obstacle
        )
    return unavailable(credential, str(fault), remedy=fault.remedy, obstacle=obstacle)


def _sent(
    credential: EntraCredential, request: Request, make_http: Callable[[], ProviderHttp]
) -> tuple[Answer, float | None]:
    """The answer, and by how many seconds our clock was ahead of the provider's. It may say "error"."""
    http = make_http()
    try:
        return request.send(http), http.clock_ahead
    except Refused as exc:
        return exc.answer, http.clock_ahead
    except NotAnswered:
        raise
    except requests.RequestException as exc:
        raise _unreached(credential, exc, http.obstacle) from exc
    finally:
        http.close()


def _refused(
    credential: EntraCredential, answer: Answer, request: Request, clock_ahead: float | None
) -> TokenError:
    hidden = request.hidden
    error, description = (_words(answer.get(key), hidden) for key in ("error", "error_description"))
    said = ": ".join(filter(None, (error, description)))
    if error in _TRANSIENT:
        return unavailable(credential, f"it answered {error}", said=said)
    ids = ", ".join(
        f"{label} {_words(answer[key], hidden)}"
        for key, label in (("trace_id", "trace"), ("correlation_id", "correlation"), ("timestamp", "at"))
        if answer.get(key)
    )
    refused = TokenRefused(
        f"{credential.authority} refused a token to application {credential.client_id}: {said}"
        + (f" ({ids})" if ids else ""),
        said=said,
        clock_ahead=clock_ahead,
    )
    refused.remedy = request.remedy(refused)
    return refused


def _words(text: object, hidden: tuple[str, ...]) -> str:
    """The first line of this text: printable, of bounded length, and without what is hidden."""
    said = str(text or "")
    for secret in hidden:
        said = said.replace(secret, "[secret]")
    line = re.split(r"[\r\n]| Trace ID:", said, maxsplit=1)[0]
    return "".join(c if c.isprintable() else "?" for c in line)[:300].strip()
