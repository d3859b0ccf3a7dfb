"""The adapter: makes the HTTP library use our TLS settings and a deadline.

Owns what the library uses in place of its own classes. Must never wait longer than the deadline, however
slowly an answer comes: the library's own time-out begins again with every octet.
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
    """TLS settings whose sockets wait no longer than a deadline."""

    deadline: Deadline


def timed_tls(ca_file: Path | None, deadline: Deadline) -> TimedTls:
    """The TLS settings for every server, and this deadline. Raises OSError if `ca_file` is of no use."""
    tls = tls_settings(ca_file, TimedTls)
    tls.sslsocket_class = _TlsSocket
    tls.deadline = deadline
    return tls


class TimedAdapter(HTTPAdapter):
    """Makes the library connect with `tls`, to the provider and to an `https` proxy."""

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

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        """The connection pools for a proxy."""
        return super().proxy_manager_for(proxy, proxy_ssl_context=self.tls, **named)

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Do nothing: the library would add its own authorities to those of `tls`."""


class _Connection(HTTPSConnection):
    """A connection whose every step keeps to the deadline of its TLS settings."""

    def _new_conn(self) -> socket.socket:
        """Connect to the address that answers first.

        The name is looked up without our deadline: the resolver has only its own (resolv.conf, some 10 s for
        each name server).
        """
        deadline = cast("TimedTls", self.ssl_context).deadline
        addresses = socket.getaddrinfo(self.host.strip("[]"), self.port, type=socket.SOCK_STREAM)
        # Another object for the same socket: only ours reads the answer of a proxy with the deadline.
        timed = _PlainSocket(fileno=dial(addresses, deadline.left).detach())
        timed.deadline = deadline
        timed.settimeout(deadline.left())  # for the handshake, a single wait
        return timed


class _PlainSocket(socket.socket):
    """A socket that reads the answer of a proxy, before TLS begins."""

    deadline: Deadline

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(self.deadline.left())
        return super().recv_into(*arguments)


class _TlsSocket(ssl.SSLSocket):
    """A socket that reads everything else."""

    context: TimedTls

    def read(self, *arguments: Any) -> Any:
        self.settimeout(self.context.deadline.left())
        return super().read(*arguments)
