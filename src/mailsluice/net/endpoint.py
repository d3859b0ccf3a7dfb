"""The endpoint: one server, and the way to it.

Owns what a connection has to know before it is made. Must never connect.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mailsluice.net.proxy import DIRECT, Proxy, Route


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect, by which route, and which authorities to trust: those in `ca_file`, or the system's.

    `hint` is added to the error if the port has no TLS: it says which port should have it.
    """

    host: str
    port: int
    ca_file: Path | None = None
    hint: str = ""
    route: Route = DIRECT

    def __str__(self) -> str:
        through = f" (through {self.route})" if isinstance(self.route, Proxy) else ""
        return f"{self.host}:{self.port}{through}"
