"""HTTP to the identity provider: bounded in time, verified, blind to all of the environment but its proxies.

Owns what of HTTP an OAuth 2.0 client must not leave to defaults. Must never follow a redirect, for the
request carries the client secret; must never let a body into an error.

msal sees an answer only if it is JSON and means something: everything else is raised before msal, which
would log such a body whole, or remember it for a minute.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import requests
from requests.utils import get_environ_proxies

TIMEOUTS = (10.0, 30.0)
"""Seconds to connect, and between two signs of life."""


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


class ProviderHttp:
    """What msal takes as its `http_client`. Every method raises requests.RequestException.

    Trust anchors are `ca_file` alone where given, else the system's, as for the mail server (an
    administrator who adds a CA to the system adds it for both), else those that come with requests.
    """

    def __init__(self, ca_file: Path | None, timeouts: tuple[float, float] = TIMEOUTS) -> None:
        self._session = requests.Session()
        # Otherwise REQUESTS_CA_BUNDLE and .netrc in the environment win over what is said here.
        self._session.trust_env = False
        self._session.verify = _anchors(ca_file)
        self._timeouts = timeouts

    def get(self, url: str, **arguments: Any) -> requests.Response:
        """Ask for a document: the provider's OpenID configuration."""
        answer = self._ask("GET", url, **arguments)
        if not answer.ok:
            raise Refused({"error": f"HTTP {answer.status_code}", **answer.json()})
        return answer

    def post(self, url: str, **arguments: Any) -> requests.Response:
        """Ask for a token. An error answer is msal's to read."""
        return self._ask("POST", url, **arguments)

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def _ask(self, method: str, url: str, **arguments: Any) -> requests.Response:
        answer = self._session.request(
            method,
            url,
            timeout=self._timeouts,
            proxies=get_environ_proxies(url),
            allow_redirects=False,
            **arguments,
        )
        if answer.status_code == 429 or answer.status_code >= 500:
            raise NotAnswered(f"it answered HTTP {answer.status_code}", _retry_after(answer))
        if answer.is_redirect or not _is_object(answer):
            raise NotAnswered(f"it answered HTTP {answer.status_code}, but not as an identity provider does")
        return answer


def _anchors(ca_file: Path | None) -> str | bool:
    if ca_file is None:
        system = ssl.get_default_verify_paths()
        return system.cafile or system.capath or True
    try:
        ssl.create_default_context(cafile=ca_file)
    except OSError as exc:
        raise NotAnswered(f"the certificates in {ca_file} cannot be used: {exc.strerror}") from exc
    return str(ca_file)


def _is_object(answer: requests.Response) -> bool:
    try:
        return isinstance(answer.json(), dict)
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
    if isinstance(error, requests.Timeout):
        return "it did not answer in time"
    cause = _first_cause(error)
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
