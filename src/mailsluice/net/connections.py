"""The connections: those that are open, so that a stop ends them together.

Owns which connections there are, and the authorities that they trust. Must never use a connection.
"""

from __future__ import annotations

import threading
from typing import Protocol

from mailsluice.errors import Phase, Stopped
from mailsluice.net.authorities import Authorities
from mailsluice.net.endpoint import Endpoint


class Open(Protocol):
    """What must be known of an open connection (`net.connection.Connection`) to end it."""

    endpoint: Endpoint
    owner: str
    waits: tuple[Phase, float] | None

    def abort(self) -> None:
        """End it."""
        ...

    def give_way(self, since: float) -> None:
        """End it, because others wait, and it was silent since this moment, in monotonic seconds."""
        ...


class Connections:
    """The open connections, which a stop ends together, and the authorities they trust. Thread-safe."""

    def __init__(self, authorities: Authorities | None = None, *, among: Connections | None = None) -> None:
        # Reentrant, as in Connection: so even a signal handler could abort while its own thread is in here.
        self._lock = threading.RLock()
        self._open: set[Open] = set()
        self._among = among
        self._aborted = False
        self.authorities = authorities or Authorities()

    def part(self) -> Connections:
        """A part of these connections. It can be cut separately, and is cut with all of them."""
        return Connections(self.authorities, among=self)

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Open) -> None:
        """Add a connection. Raises Stopped after `abort_all`."""
        with self._lock:
            if self._aborted:
                raise Stopped(f"stopped before connecting to {connection.endpoint}")
            if self._among is not None:
                self._among.add(connection)
            self._open.add(connection)

    def discard(self, connection: Open) -> None:
        """Forget a connection."""
        with self._lock:
            self._open.discard(connection)
            if self._among is not None:
                self._among.discard(connection)

    def waiting(self) -> list[tuple[Open, Phase, float]]:
        """The connections that wait for their server: the phase, and since when, in monotonic seconds."""
        with self._lock:
            connections = tuple(self._open)
        waits = ((connection, connection.waits) for connection in connections)
        return [(connection, *wait) for connection, wait in waits if wait is not None]

    def abort_all(self) -> None:
        """Cut every connection, and refuse new ones from now on."""
        with self._lock:
            self._aborted = True
            connections = tuple(self._open)
        # Without the lock, which is safe: `add` refuses any later connection.
        for connection in connections:
            connection.abort()
