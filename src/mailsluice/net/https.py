"""HTTP to the identity provider: bounded in time and size, verified, blind to the environment.

Owns what of HTTP an OAuth 2.0 client must not leave to defaults. Must never follow a redirect, for the
request carries the client secret; must never let a body into an error. Of the environment it heeds the
proxies, and where OpenSSL is told that the system's certificates are (SSL_CERT_FILE, SSL_CERT_DIR).

There is no requests.Session: it would read .netrc and certificates named in the environment, and the
body of a redirect whole. msal sees an answer only if it is JSON and means something: everything else is
raised before msal, which would log such a body whole, or remember it for a minute.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from requests.utils import get_environ_proxies

from mailsluice.clock import Clock
from mailsluice.net.adapter import TimedAdapter, timed_tls
from mailsluice.net.deadlines import Deadline

DEADLINE = 60.0
"""Seconds for all that is said with the provider to get one token."""
_LARGEST = 1024 * 1024
"""Octets of an answer: the largest honest one, with a token of 64 KiB, is far smaller."""
_PIECE = 64 * 1024
_FIELDS = {
    *("access_token", "token_type", "expires_in"),
    *("error", "error_description", "error_codes", "suberror", "timestamp", "trace_id", "correlation_id"),
}
"""What is read of an answer (RFC 6749 §5.1, §5.2, and Entra's own).

Of an ID token, which client credentials never bring, msal would raise errors of many kinds, and log it.
"""


class NotAnswered(requests.RequestException):
    """The provider could not answer; ask again, not before `retry_after` seconds have passed."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(requests.RequestException):
    """The provider's error answer (RFC 6749 §5.2), where msal would keep only its text."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__("refused")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Answer:
    """What msal wants to know of an answer."""

    status_code: int
    headers: Mapping[str, str]
    text: str = field(repr=False)


class ProviderHttp:
    """What msal takes as its `http_client`: one talk with the provider, over `deadline` seconds from now.

    Trust anchors are `ca_file` alone where given, else the system's, as for the mail server (an
    administrator who adds a CA to the system adds it for both). Every method raises
    requests.RequestException.
    """

    def __init__(self, ca_file: Path | None, clock: Clock, deadline: float = DEADLINE) -> None:
        try:
            tls = timed_tls(ca_file, Deadline(clock, deadline))
        except OSError as exc:
            raise NotAnswered(f"the certificates in {ca_file} cannot be used: {exc.strerror}") from exc
        self._adapter = TimedAdapter(tls)

    def get(self, url: str, **arguments: Any) -> Answer:
        """Ask for a document: the provider's OpenID configuration."""
        answer = self._ask("GET", url, **arguments)
        if answer.status_code >= 400:
            raise Refused({"error": f"HTTP {answer.status_code}", **json.loads(answer.text)})
        return answer

    def post(self, url: str, **arguments: Any) -> Answer:
        """Ask for a token. An error answer is msal's to read, but no field that is not an application's."""
        answer = self._ask("POST", url, **arguments)
        said = {name: value for name, value in json.loads(answer.text).items() if name in _FIELDS}
        return Answer(answer.status_code, answer.headers, json.dumps(said))

    def close(self) -> None:
        """Close its connections."""
        self._adapter.close()

    def _ask(self, method: str, url: str, headers: Mapping[str, str] | None = None, **content: Any) -> Answer:
        if not url.lower().startswith("https://"):
            raise NotAnswered("it names an address that is not https")
        # An encoded answer could be of any size once decoded.
        headers = {**(headers or {}), "Accept-Encoding": "identity"}
        request = requests.Request(method, url, headers, **content).prepare()
        with self._adapter.send(request, stream=True, proxies=get_environ_proxies(url)) as answer:
            status = answer.status_code
            if status == 429 or status >= 500:
                raise NotAnswered(f"it answered HTTP {status}", _retry_after(answer))
            body = _body(answer)
            if 200 != status < 400 or not _is_object(body):  # RFC 6749 §5.1: success is 200
                raise NotAnswered(f"it answered HTTP {status}, but not as an identity provider does")
        return Answer(status, answer.headers, body.decode())


def _body(answer: requests.Response) -> bytes:
    """Its octets as they come: not decoded, and no more than an honest answer may have."""
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


def _retry_after(answer: requests.Response) -> float:
    """Seconds of a Retry-After (RFC 9110 §10.2.3); at most an hour; 0 for none, or for a date."""
    value = answer.headers.get("Retry-After", "")
    return float(min(int(value), 3600)) if value.isascii() and value.isdigit() and len(value) < 9 else 0.0


def explain(error: requests.RequestException) -> str:
    """In a few words why there was no answer. Not the library's words, which have URLs of proxies in them."""
    if isinstance(error, NotAnswered):
        return str(error)
    cause = _first_cause(error)
    if isinstance(error, requests.Timeout) or isinstance(cause, TimeoutError):
        return "it did not answer in time"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate was not accepted: {cause.verify_message}"
    if isinstance(cause, OSError) and cause.strerror:
        return f"it cannot be reached: {cause.strerror}"
    via = "its proxy" if isinstance(error, requests.exceptions.ProxyError) else "it"
    return f"{via} broke off the connection"


def _first_cause(error: BaseException) -> BaseException | None:
    """The operating system's or TLS's own error at the bottom of the library's."""
    cause: BaseException | None = error
    while cause and (not isinstance(cause, OSError) or isinstance(cause, requests.RequestException)):
        cause = cause.__cause__ or cause.__context__
    return cause if isinstance(cause, (ssl.SSLError, socket.gaierror, OSError)) else None
