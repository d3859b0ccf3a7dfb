"""The adapter: makes the HTTP library use our TLS settings, our way to connect, and a deadline.

Owns what the library uses in place of its own classes. Must never wait longer than the deadline, however
slowly an answer comes: the library's own time-out begins again with every octet. Must never let the library
find a proxy of its own.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any, cast

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection

from mailsluice.errors import Obstacle
from mailsluice.net import obstacles
from mailsluice.net.deadlines import Deadline
from mailsluice.net.proxy import Direct, FindRoute, first_stop, reach
from mailsluice.net.tls import tls_settings


class TimedTls(ssl.SSLContext):
    """TLS settings whose sockets wait no longer than a deadline, and the route to each server.

    `met` is what stood in the way when the last connection failed. The library's own errors do not say it.
    """

    deadline: Deadline
    find_route: FindRoute
    met: Obstacle | None = None


def timed_tls(ca_file: Path | None, deadline: Deadline, find_route: FindRoute) -> TimedTls:
    """The TLS settings for every server, with these. Raises OSError if `ca_file` is of no use."""
    tls = tls_settings(ca_file, TimedTls)
    tls.sslsocket_class = _TlsSocket
    tls.deadline = deadline
    tls.find_route = find_route
    return tls


class TimedAdapter(HTTPAdapter):
    """Makes the library connect with `tls`."""

    def __init__(self, tls: TimedTls) -> None:
        self.tls = tls
        super().__init__()

    def get_connection_with_tls_context(self, *arguments: Any, **named: Any) -> Any:
        """The connection pool for a request."""
        pool: Any = super().get_connection_with_tls_context(*arguments, **named)
        pool.ConnectionCls = _Connection
        return pool

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """The host that the request goes to, and the TLS settings for it."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self.tls}

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Do nothing: the library would add its own authorities to those of `tls`."""


class _Connection(HTTPSConnection):
    """A connection whose every step keeps to the deadline of its TLS settings."""

    def _new_conn(self) -> socket.socket:
        """Connect to the server, on its route. The library sees a socket, and knows of no proxy."""
        tls = cast("TimedTls", self.ssl_context)
        host, port = self.host.strip("[]"), self.port
        route = tls.find_route(host, port)
        try:
            wire = reach(host, port, route, first_stop(host, port, route), tls.deadline.left)
        except UnicodeError as exc:  # IDNA cannot encode the name; the library expects an OSError
            tls.met = obstacles.to_connect(exc)
            raise socket.gaierror(socket.EAI_NONAME, "there can be no such name in DNS") from exc
        except OSError as exc:
            tls.met = obstacles.to_connect(exc)
            if isinstance(route, Direct) and route.hint:
                exc.add_note(route.hint)
            raise
        wire.settimeout(tls.deadline.left())  # for the handshake, a single wait
        return wire


class _TlsSocket(ssl.SSLSocket):
    """A socket that reads everything with the deadline."""

    context: TimedTls

    def do_handshake(self, *arguments: Any) -> None:
        try:
            super().do_handshake(*arguments)
        except OSError as exc:
            self.context.met = obstacles.to_secure(exc)
            raise

    def read(self, *arguments: Any) -> Any:
        try:
            self.settimeout(self.context.deadline.left())
            return super().read(*arguments)
        except TimeoutError:
            self.context.met = Obstacle.SILENT
            raise
