"""Connections to the identity provider: whom they trust, and when they end.

Owns TLS and time. Must never wait beyond the deadline, whatever comes how slowly: a time-out of the
library's begins again with every octet. Must never write session keys to where SSLKEYLOGFILE points.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any, Self, cast

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection

from mailsluice.clock import Clock
from mailsluice.net.dialing import dial


class Deadline:
    """The moment when everything has to be over, `seconds` from now."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + seconds

    def left(self) -> float:
        """The seconds left. Raises TimeoutError where there are none."""
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class TimedTls(ssl.SSLContext):
    """TLS 1.2 or later, certificate and name verified, on sockets that keep to a deadline.

    Trust anchors are `ca_file` alone where given, else the system's (OpenSSL's, whose place
    SSL_CERT_FILE and SSL_CERT_DIR may say), as for the mail server. Raises OSError.
    """

    deadline: Deadline

    def __new__(cls, ca_file: Path | None, deadline: Deadline) -> Self:
        """Not by `ssl.create_default_context` or urllib3's, which heed SSLKEYLOGFILE."""
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.hostname_checks_common_name = False  # RFC 9525 §2: a name stands in subjectAltName alone
        context.sslsocket_class = _TlsSocket
        context.deadline = deadline
        if ca_file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(ca_file)
        return context


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
