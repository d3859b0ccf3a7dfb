"""The endpoint: one server, and the way to it.

Owns what a connection has to know before it is made. Must never connect.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mailsluice.net.proxy import DIRECT, Proxy, Route

AskForTls = Callable[[socket.socket, Callable[[], float]], None]
"""Ask the server, in clear, to begin TLS: its next octet is then of the handshake.

It must take no octet more than that, keep nothing of what was said, and send no secret. The function gives
the seconds that are left, raises TimeoutError if there are none, and must be called several times a second.
Raises OSError, MailsluiceError.
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect, by which route, and which authorities to trust: those in `ca_file`, or the system's.

    `ask_for_tls` is for a port that begins in clear; None if TLS begins with the first octet.
    """

    host: str
    port: int
    ca_file: Path | None = None
    route: Route = DIRECT
    ask_for_tls: AskForTls | None = None

    def __str__(self) -> str:
        through = f" (through {self.route})" if isinstance(self.route, Proxy) else ""
        return f"{self.host}:{self.port}{through}"
