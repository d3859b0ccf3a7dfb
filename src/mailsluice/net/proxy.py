"""The proxy: a tunnel to a server by HTTP's CONNECT (RFC 9110 §9.3.6), for mail and for tokens alike.

Owns what is said to a proxy, and what its answers mean. Must never know what goes through the tunnel: TLS
begins behind it, and it is the real server's. Must never put a password into an error.
"""

from __future__ import annotations

import re
import socket
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from mailsluice.errors import system_remedy
from mailsluice.net.dialing import ATTEMPT_DELAY, Address, dial
from mailsluice.net.stages import Observe, Stage, unobserved
from mailsluice.net.trials import Refused, Trials

_LARGEST = 16 * 1024
"""The most octets of a proxy's answer. Its body is never read."""
_VERSION = b"HTTP/1."
_END = re.compile(rb"\r?\n\r?\n")
_INTERIM = re.compile(rb"HTTP/1\.[0-9] 1[0-9]{2}[ \r\n]")
_STATUS = re.compile(rb"HTTP/1\.[0-9] ([2-9][0-9]{2})[ \r\n]")
_CHALLENGES = re.compile(rb"\nproxy-authenticate[ \t]*:([^\r\n]{0,1000})", re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_SCHEME = re.compile(r"[ \t]*([A-Za-z][A-Za-z0-9-]{0,30})(?![ \t]*=)(?:[ \t]|$)")
_MOST_SCHEMES = 5
_UNKNOWN_USER = frozenset({401, 407})
"""A proxy has 407 for this (RFC 9110 §15.5.8). tinyproxy says 401 if the password is wrong."""
_PASSING = frozenset({408, 429})
_NOT_KNOWN = 501
"""The server does not know the method (RFC 9110 §15.6.2). Other codes from 500 on may pass."""


class ProxyFault(OSError):
    """There is no way through a proxy: what happened, and in `remedy` what to do.

    `refused`: somebody must change something. Otherwise it may pass by itself.
    """

    def __init__(self, message: str, *, remedy: str, refused: bool = False) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Direct:
    """No proxy. `hint` is what to know about proxies if a server cannot be reached; often empty."""

    hint: str = ""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. `setting` is what names it: a key of the configuration, or a variable.

    `password` reads the password of `user`, and raises SecretError. None: the proxy is told no user. `access`
    says how to give mailsluice the right user and password. `trials` knows what the proxy said to them.
    """

    host: str
    port: int
    setting: str
    access: str
    user: str = ""
    password: Callable[[], str] | None = field(default=None, repr=False)
    trials: Trials = field(default_factory=Trials, repr=False, compare=False)

    def __str__(self) -> str:
        return f"the proxy http://{bracketed(self.host)}:{self.port} ({self.setting})"


@dataclass(frozen=True, slots=True)
class Barred:
    """There is no route, because what the environment says of proxies cannot be obeyed."""

    why: str
    remedy: str


DIRECT = Direct()
Route = Direct | Proxy | Barred
FindRoute = Callable[[str, int], Route]
"""The route to this host and port."""


def no_proxy(_host: str, _port: int) -> Route:
    """The route to any server, where there is no proxy."""
    return DIRECT


def first_stop(host: str, port: int, route: Route, observe: Observe = unobserved) -> Sequence[Address]:
    """The addresses to connect to: the server's, or those of its proxy.

    They are looked up without a deadline of ours: the resolver has only its own (resolv.conf, some 10 s for
    each name server). Raises UnicodeError, and OSError: a ProxyFault if the route is at fault.
    """
    if isinstance(route, Barred):
        observe(Stage.PROXY, None)
        raise ProxyFault(route.why, remedy=route.remedy, refused=True)
    observe(Stage.NAME, None)
    if isinstance(route, Direct):
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    else:
        try:
            addresses = socket.getaddrinfo(route.host, route.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            raise _unreachable(route, exc) from exc
    if observe is not unobserved:
        observe(Stage.NAME, [str(where[0]) for *_, where in addresses])
    return addresses


def reach(
    host: str,
    port: int,
    route: Route,
    addresses: Sequence[Address],
    left: Callable[[], float],
    *,
    observe: Observe = unobserved,
) -> socket.socket:
    """A socket to the server, by the first of `addresses` that answers. All that was read is the proxy's.

    `left` is as in `dial`. Raises SecretError, and OSError: a ProxyFault if the proxy is at fault.
    """
    if not isinstance(route, Proxy):
        return dial(addresses, left, observe)
    login = _login(route)  # first: nobody is asked if the password cannot be read
    ask = partial(_tunnel, f"{bracketed(host)}:{port}", login, route, addresses, left, observe=observe)
    try:
        return route.trials.present(f"{route.host}:{route.port}", login, left, ask) if login else ask()
    except Refused as refused:
        raise _shut_out(refused, route) from None
    except TimeoutError as exc:
        raise ProxyFault(
            f"{route} did not answer in time: another connection waits to hear whether the password is right",
            remedy=f"look at the proxy: it may be overloaded, or {route.setting} may name another program",
        ) from exc


def _tunnel(
    target: str,
    login: bytes,
    proxy: Proxy,
    addresses: Sequence[Address],
    left: Callable[[], float],
    *,
    observe: Observe,
) -> socket.socket:
    """A socket to the target. Raises Refused, ProxyFault."""
    try:
        wire = dial(addresses, left, observe)
    except OSError as exc:
        raise _unreachable(proxy, exc) from exc
    try:
        observe(Stage.PROXY, None)
        status = _judge(_asked(wire, _request(target, login), proxy, left), target, proxy)
        observe(Stage.PROXY, f"{proxy}: HTTP {status}")
        wire.settimeout(None)
    except BaseException:
        wire.close()
        raise
    return wire


def bracketed(host: str) -> str:
    """The host as it stands before a port: an IPv6 address needs brackets (RFC 3986 §3.2.2)."""
    return f"[{host}]" if ":" in host else host


def _login(proxy: Proxy) -> bytes:
    """User and password, as they are sent (RFC 7617 §2); empty if the proxy is told none."""
    return b"" if proxy.password is None else b64encode(f"{proxy.user}:{proxy.password()}".encode())


def _request(target: str, login: bytes) -> bytes:
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if login:
        lines.append(f"Proxy-Authorization: Basic {login.decode()}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _asked(wire: socket.socket, request: bytes, proxy: Proxy, left: Callable[[], float]) -> bytes:
    """The header of the proxy's answer. What stands behind it stays in the socket."""
    room = _LARGEST
    try:
        wire.settimeout(left())
        wire.sendall(request)
        head = _header(wire, room, left)
        while _INTERIM.match(head):  # RFC 9110 §15.2: any number of these may come first
            room -= len(head)
            head = _header(wire, room, left)
    except TimeoutError as exc:
        raise ProxyFault(
            f"{proxy} took the connection, but did not answer in time",
            remedy=f"look at the proxy: it may be overloaded, or {proxy.setting} may name another program",
        ) from exc
    except OSError as exc:
        raise ProxyFault(
            f"{proxy} broke off the connection: {exc.strerror or exc}",
            remedy=f"look at the proxy's log; if there is nothing, check host and port in {proxy.setting}",
        ) from exc
    return head


def _header(wire: socket.socket, room: int, left: Callable[[], float]) -> bytes:
    """Octets up to the first empty line, or fewer if they are no answer of HTTP. Never an octet more.

    So what a server says first in the tunnel is left to those who use it. Raises OSError.
    """
    head = b""
    while len(head) < room:
        wire.settimeout(min(ATTEMPT_DELAY, left()))  # often enough to hear of a stop, as in `dial`
        try:
            seen = wire.recv(room - len(head), socket.MSG_PEEK)
        except TimeoutError:
            continue
        if not seen:
            raise ConnectionError("it was closed without a whole answer")
        end = _END.search(head + seen, max(0, len(head) - 3))
        head += wire.recv(end.end() - len(head) if end else len(seen))
        if end or not head.startswith(_VERSION[: len(head)]):  # a greeting of another protocol may be all
            break
    return head


def _judge(head: bytes, target: str, proxy: Proxy) -> int:
    """The status of this answer, if it opens the tunnel. Raises Refused, ProxyFault."""
    if not (found := _STATUS.match(head)) or not _END.search(head):
        raise ProxyFault(
            f"{proxy} does not answer as an HTTP proxy does",
            remedy=f"check host and port in {proxy.setting}: an HTTP proxy, without TLS, must be there",
            refused=True,
        )
    status = int(found[1])
    if status in _UNKNOWN_USER:
        raise Refused(status, _schemes(head))
    if status == 403:
        raise ProxyFault(
            f"{proxy} does not allow {target} (HTTP 403)",
            remedy=f"ask who runs the proxy to allow CONNECT to {target} from this machine",
            refused=True,
        )
    if (status >= 500 and status != _NOT_KNOWN) or status in _PASSING:
        raise ProxyFault(
            f"{proxy} cannot reach {target} now (HTTP {status})",
            remedy="if it does not pass, ask who runs the proxy; for a server that it cannot know, "
            'write `proxy = "none"` in the mailbox',
        )
    if status >= 300:
        raise ProxyFault(
            f"{proxy} makes no tunnel to {target} (HTTP {status})",
            remedy=f"check host and port in {proxy.setting}; if they are right, ask who runs the proxy to "
            f"allow CONNECT to {target}",
            refused=True,
        )
    return status


def _shut_out(refused: Refused, proxy: Proxy) -> ProxyFault:
    """The error that says which login the proxy wants (RFC 9110 §11.7.1)."""
    status, schemes = refused.status, refused.schemes
    if schemes and "basic" not in map(str.lower, schemes):
        return ProxyFault(
            f"{proxy} wants {' or '.join(schemes)}, mailsluice has only Basic (HTTP {status})",
            remedy="ask who runs the proxy to offer Basic, or to let this machine through without a password",
            refused=True,
        )
    wrong = "wants a user and a password" if proxy.password is None else "refused the user or the password"
    return ProxyFault(f"{proxy} {wrong} (HTTP {status})", remedy=proxy.access, refused=True)


def _schemes(head: bytes) -> list[str]:
    """The authentication schemes that the header names. A parameter is followed by `=`, a name is not."""
    challenges = (_QUOTED.sub("", found.decode("latin-1")) for found in _CHALLENGES.findall(head))
    parts = (part for challenge in challenges for part in challenge.split(","))
    names = dict.fromkeys(found[1] for part in parts if (found := _SCHEME.match(part)))
    return list(names)[:_MOST_SCHEMES]


def _unreachable(proxy: Proxy, exc: OSError | UnicodeError) -> ProxyFault:
    reason = getattr(exc, "strerror", None) or str(exc)
    if isinstance(exc, TimeoutError):
        reason = "it did not answer in time"
    return ProxyFault(
        f"{proxy} cannot be reached: {reason}",
        remedy=system_remedy(exc, f"check host and port in {proxy.setting}, and that the proxy runs"),
    )
