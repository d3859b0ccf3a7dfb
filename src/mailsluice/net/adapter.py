"""The adapter: connections of the HTTP library that keep to our TLS settings and to a deadline.

Owns what the library is made to use in place of its own. Must never wait beyond the deadline, however slowly
something comes: a time-out of the library's begins again with every octet.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any, cast

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection

from mailsluice.net.deadlines import Deadline
from mailsluice.net.dialing import dial
from mailsluice.net.tls import tls_settings


class TimedTls(ssl.SSLContext):
    """TLS settings for sockets that keep to a deadline."""

    deadline: Deadline


def timed_tls(ca_file: Path | None, deadline: Deadline) -> TimedTls:
    """The settings that every server is met with, and this deadline. Raises OSError."""
    tls = tls_settings(ca_file, TimedTls)
    tls.sslsocket_class = _TlsSocket
    tls.deadline = deadline
    return tls


class TimedAdapter(HTTPAdapter):
    """What makes the library's connections those of `tls`, to the provider as to an `https` proxy."""

    def __init__(self, tls: TimedTls) -> None:
        self.tls = tls
        super().__init__()

    def get_connection_with_tls_context(self, *arguments: Any, **named: Any) -> Any:
        """The pool that serves a request."""
        pool: Any = super().get_connection_with_tls_context(*arguments, **named)
        pool.ConnectionCls = _Connection
        return pool

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Where the request goes, and by which TLS."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self.tls}

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        """The pools of a proxy."""
        return super().proxy_manager_for(proxy, proxy_ssl_context=self.tls, **named)

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Nothing more: the library would add its own authorities to those of `tls`."""


class _Connection(HTTPSConnection):
    """A connection whose every step keeps to the deadline of its TLS settings."""

    def _new_conn(self) -> socket.socket:
        """Connect to the address that answers first.

        The resolver knows no time-out but its own (resolv.conf, some 10 s a server).
        """
        deadline = cast("TimedTls", self.ssl_context).deadline
        addresses = socket.getaddrinfo(self.host.strip("[]"), self.port, type=socket.SOCK_STREAM)
        timed = _PlainSocket(fileno=dial(addresses, deadline.left).detach())
        timed.deadline = deadline
        timed.settimeout(deadline.left())  # for the handshake, a single wait
        return timed


class _PlainSocket(socket.socket):
    """What the answer of a proxy is read from."""

    deadline: Deadline

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(self.deadline.left())
        return super().recv_into(*arguments)


class _TlsSocket(ssl.SSLSocket):
    """What everything else is read from."""

    context: TimedTls

    def read(self, *arguments: Any) -> Any:
        self.settimeout(self.context.deadline.left())
        return super().read(*arguments)
