"""HTTP to the service that gives a machine in Azure its identity's tokens: plain, and only nearby.

Owns the addresses that such a service may have, and the limits of time and size. Must never send anything to
another address: a wrong environment would send the machine's secret there. Must never use a proxy, follow a
redirect, or put a body into an error.

The service has no certificate. It is on this machine, or on an address that no router passes on.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from mailsluice.clock import Clock
from mailsluice.net.deadlines import Deadline
from mailsluice.net.dialing import Address, dial
from mailsluice.net.https import Answer, NotAnswered, Refused, retry_after
from mailsluice.obs.clean import REDACTED

DEADLINE = 20.0
"""Seconds for all requests that one token takes. The service can be slow for some seconds."""
CONNECT = 4.0
"""Seconds for a connection. The first two repetitions of a lost packet come within them (RFC 6298 §2)."""
_LARGEST = 256 * 1024
"""The most octets of an answer."""
_PASSES = {404, 410, 429}
"""Statuses that pass by themselves: the service is just being updated, or limits the requests (Microsoft's
*How to use managed identities on a VM to acquire an access token*, Error handling)."""
_FIELDS = {"access_token", "token_type", "expires_in", "expires_on", "resource", "client_id"}
"""The fields of a good answer that msal gets."""

Networks = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]

NEARBY: Networks = tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10")))
"""This machine, and its link (RFC 3927, RFC 4291 §2.5.6)."""
PLATFORM: Networks = (*NEARBY, *map(ipaddress.ip_network, ("172.16.0.0/12", "100.64.0.0/10")))
"""And the networks that App Service and Container Apps have between a container and its host."""


class NotNearby(Exception):
    """The address is not one of a service for machines."""


class Busy(NotAnswered):
    """The service answered that it cannot give a token now."""


class MetadataHttp:
    """The `http_client` of msal, for one token. All its requests must end within `deadline` seconds from now.

    Sends only to addresses in `networks`, each connection within `connect` seconds. Raises NotNearby,
    NotAnswered and Refused.
    """

    def __init__(
        self, networks: Networks, clock: Clock, deadline: float = DEADLINE, connect: float = CONNECT
    ) -> None:
        self._networks = networks
        self._clock = clock
        self._connect = connect
        self._deadline = Deadline(clock, deadline)

    def get(self, url: str, *, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Ask for a token. An answer is JSON with a token, or the challenge that Azure Arc begins with."""
        place = _place(url)
        sent = {name: value.strip() for name, value in headers.items()}
        try:
            with self._connected(place) as connection:
                status, said, body = self._exchange(connection, place, params, sent)
        except TimeoutError:
            raise NotAnswered("it did not answer in time") from None
        except (http.client.HTTPException, ValueError):
            # Without the cause: it may contain an octet of the answer, or a header with the machine's secret.
            raise NotAnswered("it broke off, or does not speak HTTP") from None
        except OSError as exc:
            raise NotAnswered(f"it cannot be reached: {exc.strerror}") from None
        return _answer(status, said, body, sent, self._clock)

    def close(self) -> None:
        """Do nothing: each request has closed its connection."""

    def _connected(self, place: SplitResult) -> _TimedSocket:
        connecting = Deadline(self._clock, self._connect)
        timed = _TimedSocket(
            fileno=dial(
                self._addresses(place), lambda: min(connecting.left(), self._deadline.left())
            ).detach()
        )
        timed.deadline = self._deadline
        timed.settimeout(self._deadline.left())
        return timed

    def _addresses(self, place: SplitResult) -> list[Address]:
        """The addresses to connect to: those that were judged, so that no name can change in between."""
        addresses: list[Any] = socket.getaddrinfo(place.hostname, place.port or 80, type=socket.SOCK_STREAM)
        for *_, where in addresses:
            address = ipaddress.ip_address(str(where[0]).partition("%")[0])
            if not any(address in network for network in self._networks):
                raise NotNearby
        return addresses

    def _exchange(
        self,
        connected: socket.socket,
        place: SplitResult,
        params: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> tuple[int, Mapping[str, str], bytes]:
        connection = http.client.HTTPConnection(place.hostname or "", place.port or 80)
        connection.sock = connected
        query = "&".join(filter(None, (place.query, urlencode(params))))
        # A compressed answer could have any size after decoding.
        connection.request("GET", f"{place.path}?{query}", headers={**headers, "Accept-Encoding": "identity"})
        with connection.getresponse() as response:
            said = {name.title(): value for name, value in response.headers.items()}
            return response.status, said, response.read(_LARGEST + 1)


class _TimedSocket(socket.socket):
    """A socket that reads no longer than a deadline, however slowly the octets come."""

    deadline: Deadline

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(self.deadline.left())
        return super().recv_into(*arguments)


def _place(url: str) -> SplitResult:
    """The parts of the address. Raises NotNearby if it is none for plain HTTP."""
    try:
        place = urlsplit(url)
        if place.scheme == "http" and place.hostname and place.port != 0:
            return place
    except ValueError:  # no such port, or half an IPv6 address
        pass
    raise NotNearby


def _answer(
    status: int, headers: Mapping[str, str], body: bytes, sent: Mapping[str, str], clock: Clock
) -> Answer:
    """What msal gets. For everything that is no token, and no challenge, an error is raised.

    msal would keep the whole answer in an error's text, or log it.
    """
    if len(body) > _LARGEST:
        raise NotAnswered(f"its answer has more than {_LARGEST} octets")
    if status in _PASSES or status >= 500:
        raise Busy(f"it answered HTTP {status}", retry_after(headers, clock))
    document = _document(body)
    challenge = headers.get("Www-Authenticate", "")
    if status == 401 and "Authorization" not in sent and challenge.lower().startswith("basic realm="):
        return Answer(status, {"WWW-Authenticate": challenge}, "{}")
    if status >= 400:
        raise Refused(_refusal(status, document, sent))
    if status != 200 or "access_token" not in document:
        raise NotAnswered(f"it answered HTTP {status}, but with no token")
    return Answer(status, headers, json.dumps({name: document[name] for name in _FIELDS & set(document)}))


def _document(body: bytes) -> dict[str, Any]:
    """The JSON object in the body; empty if there is none."""
    try:
        document = json.loads(body.decode())
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _refusal(status: int, document: Mapping[str, Any], sent: Mapping[str, str]) -> dict[str, Any]:
    """The words of a refusal in any of the services' forms, without the secrets in the request's headers."""
    nested = document.get("error")
    code, text = document.get("error"), document.get("error_description") or document.get("message")
    if isinstance(nested, dict):
        code, text = nested.get("code"), nested.get("message")
    return {
        "error": _without(sent, code) or f"HTTP {status}",
        "error_description": _without(sent, text),
    }


def _without(sent: Mapping[str, str], words: object) -> str:
    said = words if isinstance(words, str) else ""
    for name in ("X-IDENTITY-HEADER", "Authorization"):
        secret = sent.get(name, "").removeprefix("Basic ")
        said = said.replace(secret, REDACTED) if secret else said
    return said
