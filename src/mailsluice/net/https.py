"""HTTP to the identity provider: limited in time and size, with verified certificates.

Owns the parts of HTTP that an OAuth 2.0 client must not leave to defaults. Must never follow a redirect,
because the request contains the client secret. Must never put a body into the text of an error. From the
environment it uses only the places of the system's certificates (SSL_CERT_FILE, SSL_CERT_DIR).

It does not use requests.Session, which would read .netrc, certificates named in the environment, and the
whole body of a redirect. msal gets an answer only if it is usable JSON. For everything else an error is
raised here, because msal would log the whole body, or remember it for a minute.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests

from mailsluice.clock import Clock
from mailsluice.errors import Obstacle
from mailsluice.net.adapter import TimedAdapter, timed_tls
from mailsluice.net.deadlines import Deadline
from mailsluice.net.proxy import FindRoute, ProxyFault, no_proxy

DEADLINE = 60.0
"""Seconds for all requests to the provider that one token takes."""
_LARGEST = 1024 * 1024
"""The most octets of an answer. A real one is far smaller, even with a token of 64 KiB."""
_LONGEST_WAIT = 900
"""The most seconds of Retry-After that are obeyed: the 15 minutes within which every mailbox is tried."""
_PIECE = 64 * 1024
_FIELDS = {
    *("access_token", "token_type", "expires_in"),
    *("error", "error_description", "error_codes", "suberror", "timestamp", "trace_id", "correlation_id"),
}
"""The fields of an answer that msal gets (RFC 6749 §5.1, §5.2, and Entra's own).

A grant that needs another one says so (`ProviderHttp.expect`). Refresh tokens and ID tokens are not among
these, because client credentials never bring one. msal would decode an ID token, raise errors of many kinds,
and log it.
"""


class NotAnswered(requests.RequestException):
    """The provider could not answer. Ask again after `retry_after` seconds or later.

    `throttled`: it wants fewer requests (RFC 6585 §4). `said` is the description in its answer, unchanged.
    """

    def __init__(
        self, message: str, retry_after: float = 0.0, *, throttled: bool = False, said: str = ""
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.throttled = throttled
        self.said = said


class Refused(requests.RequestException):
    """The provider's error answer (RFC 6749 §5.2). Raised where msal would keep only its text."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__("refused")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Answer:
    """The parts of an answer that msal reads."""

    status_code: int
    headers: Mapping[str, str]
    text: str = field(repr=False)


class ProviderHttp:
    """The `http_client` of msal, for one token. All its requests must end within `deadline` seconds from now.

    It trusts only the authorities in `ca_file`, or else the system's, as for the mail server. `find_route`
    says by which proxy it reaches a server; without it, there is none. Every method raises
    requests.RequestException, and SecretError if a proxy's password cannot be read.

    `clock_ahead`: the seconds by which our clock is ahead of that of the last answer; None if it did not say
    what time it is (RFC 9110 §6.6.1).
    """

    def __init__(
        self,
        ca_file: Path | None,
        clock: Clock,
        deadline: float = DEADLINE,
        find_route: FindRoute = no_proxy,
    ) -> None:
        try:
            tls = timed_tls(ca_file, Deadline(clock, deadline), find_route)
        except OSError as exc:
            raise NotAnswered(f"the certificates in {ca_file} cannot be used: {exc.strerror}") from exc
        self._adapter = TimedAdapter(tls)
        self._clock = clock
        self._fields = _FIELDS
        self.clock_ahead: float | None = None

    @property
    def obstacle(self) -> Obstacle | None:
        """What stood in the way, if a request was not sent or not answered; None if it was another reason."""
        return self._adapter.tls.met

    def expect(self, *fields: str) -> None:
        """Let msal get these fields, too, of the answers that are still to come."""
        self._fields = self._fields | set(fields)

    def get(self, url: str, **arguments: Any) -> Answer:
        """Ask for a document: the provider's OpenID configuration."""
        answer = self._ask("GET", url, **arguments)
        if answer.status_code >= 400:
            raise Refused({"error": f"HTTP {answer.status_code}", **json.loads(answer.text)})
        return answer

    def post(self, url: str, **arguments: Any) -> Answer:
        """Ask for a token. msal reads an error answer, too, but gets only the fields it may."""
        answer = self._ask("POST", url, **arguments)
        said = {name: value for name, value in json.loads(answer.text).items() if name in self._fields}
        return Answer(answer.status_code, answer.headers, json.dumps(said))

    def close(self) -> None:
        """Close its connections."""
        self._adapter.close()

    def _ask(self, method: str, url: str, headers: Mapping[str, str] | None = None, **content: Any) -> Answer:
        if not url.lower().startswith("https://"):
            raise NotAnswered("it names an address that is not https")
        # A compressed answer could have any size after decoding.
        headers = {**(headers or {}), "Accept-Encoding": "identity"}
        request = requests.Request(method, url, headers, **content).prepare()
        with self._adapter.send(request, stream=True) as answer:
            status = answer.status_code
            date = _date(answer.headers.get("Date", ""))
            self.clock_ahead = (self._clock.now() - date).total_seconds() if date else None
            if status == 429 or status >= 500:
                wait, said = retry_after(answer.headers, self._clock), _description(answer)
                raise NotAnswered(f"it answered HTTP {status}", wait, throttled=status == 429, said=said)
            body = _body(answer)
            if 200 != status < 400 or not _is_object(body):  # RFC 6749 §5.1: success is 200
                raise NotAnswered(f"it answered HTTP {status}, but not as an identity provider does")
        return Answer(status, answer.headers, body.decode())


def _body(answer: requests.Response) -> bytes:
    """The octets of an answer, not decoded, and at most _LARGEST. Empty if it came compressed."""
    body = b""
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        return body
    for piece in answer.iter_content(_PIECE):
        body += piece
        if len(body) > _LARGEST:
            raise NotAnswered(f"its answer has more than {_LARGEST} octets")
    return body


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body.decode()), dict)
    except (ValueError, RecursionError):
        return False


def _description(answer: requests.Response) -> str:
    """The `error_description` of an error answer (RFC 6749 §5.2); "" if it has none that can be read."""
    with suppress(requests.RequestException, ValueError, RecursionError):
        said = json.loads(_body(answer).decode())
        description = said.get("error_description") if isinstance(said, dict) else None
        return description if isinstance(description, str) else ""
    return ""


def retry_after(headers: Mapping[str, str], clock: Clock) -> float:
    """The seconds of Retry-After, at most _LONGEST_WAIT (RFC 9110 §10.2.3). 0 if there are none.

    A date is compared with that of the answer, because our clock may be wrong.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(min(int(value[:9]), _LONGEST_WAIT))
    until = _date(value)
    if until is None:
        return 0.0
    now = _date(headers.get("Date", "")) or clock.now()
    return min(max((until - now).total_seconds(), 0.0), _LONGEST_WAIT)


def _date(value: str) -> datetime | None:
    """The time of an HTTP date (RFC 9110 §5.6.7), which is in UTC; None if it is none."""
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        date = parsedate_to_datetime(value)
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    return None


def explain(error: requests.RequestException) -> str:
    """Why there was no answer, in a few words. Never in the library's own words."""
    if isinstance(error, NotAnswered):
        return str(error)
    cause = _first_cause(error)
    if isinstance(cause, ProxyFault):
        return str(cause)
    if isinstance(error, requests.Timeout) or isinstance(cause, TimeoutError):
        return "it did not answer in time"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate was not accepted: {cause.verify_message}"
    if isinstance(cause, OSError) and cause.strerror:
        return f"it cannot be reached: {cause.strerror}"
    return "it broke off the connection"


def fault_of_proxy(error: requests.RequestException) -> ProxyFault | None:
    """What the proxy did wrong; None if there was no answer for another reason."""
    cause = _first_cause(error)
    return cause if isinstance(cause, ProxyFault) else None


def hint_of(error: requests.RequestException) -> str:
    """What to know about proxies, because there was no connection without one; often empty."""
    return "".join(getattr(_first_cause(error), "__notes__", ()))


def _first_cause(error: BaseException) -> BaseException | None:
    """The error of the operating system, of TLS or of a proxy that caused the library's error, if any."""
    cause: BaseException | None = error
    while cause and (not isinstance(cause, OSError) or isinstance(cause, requests.RequestException)):
        cause = cause.__cause__ or cause.__context__
    return cause
