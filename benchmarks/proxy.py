"""A slow line: a TCP relay on loopback that hands everything on half a round trip later.

Owns the delay and the count of round trips. Must never look into what it relays.

The relay delays octets, but does not limit their rate. They keep their order and their distance in time, and
up to `_UNDER_WAY` octets may be under way in each direction, as a TCP window would allow. The kernel
completes TCP's handshake at once. So the first octets of each side wait one more round trip: over a real line
they could not be sent earlier. Not simulated are slow start, losses, limited bandwidth, and the round trips
of closing.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from benchmarks.listening import Listener

_CHUNK = 256 * 1024
_UNDER_WAY = 8 * 1024 * 1024
"""Octets in one direction: more than Linux lets a TCP window grow to (tcp_rmem: 6 MiB)."""


class RoundTrips:
    """How often a client went and waited.

    One for each connect, and one for each time that it sent something after it was handed something; TLS's
    are among them. Exact for a client that asks one thing at a time; of one that sends while it receives it
    is the most there can have been.
    """

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def add(self) -> None:
        """One more."""
        with self._lock:
            self.count += 1


class DelayingProxy:
    """Relays 127.0.0.1:`port` to 127.0.0.1:`target`, `round_trip` seconds there and back.

    A context manager.
    """

    def __init__(self, target: int, round_trip: float) -> None:
        self.round_trips = RoundTrips()
        self._target = target
        self._round_trip = round_trip
        self._lines: list[_Line] = []
        self._listener = Listener(self._connect, "line")
        self.port = self._listener.port

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._listener.close()
        for line in self._lines:
            line.cut()

    def _connect(self, client: socket.socket) -> None:
        self._lines = [line for line in self._lines if line.alive]
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except ConnectionError:
            client.close()
        else:
            self._lines.append(_Line(client, server, self._round_trip, self.round_trips))


class _Line:
    """One connection: two pipes, one in each direction."""

    def __init__(
        self, client: socket.socket, server: socket.socket, round_trip: float, trips: RoundTrips
    ) -> None:
        self._ends = (client, server)
        for end in self._ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._trips = trips
        self._answered = True
        trips.add()
        not_before = time.monotonic() + round_trip
        delay = round_trip / 2
        self._pipes = (
            _Pipe(client, server, delay=delay, not_before=not_before, on_arrival=self._sent),
            _Pipe(server, client, delay=delay, not_before=not_before, on_departure=self._handed_over),
        )
        self._relaying = threading.Thread(target=self._relay, name="line", daemon=True)
        self._relaying.start()

    @property
    def alive(self) -> bool:
        return self._relaying.is_alive()

    def cut(self) -> None:
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._relaying.join()

    def _relay(self) -> None:
        """Until both sides have ended."""
        for pipe in self._pipes:
            pipe.start()
        for pipe in self._pipes:
            pipe.join()
        for end in self._ends:
            end.close()

    def _sent(self, _chunk: bytes) -> None:
        if self._answered:
            self._answered = False
            self._trips.add()

    def _handed_over(self, chunk: bytes) -> None:
        # When the server has ended, the client only sends TLS's closing message, and waits for no answer.
        self._answered = bool(chunk)


def _nothing(_chunk: bytes) -> None:
    """What is done about most chunks."""


class _Pipe:
    """One direction: a thread that takes in, one that hands on, and what is under way between them."""

    def __init__(
        self,
        source: socket.socket,
        destination: socket.socket,
        *,
        delay: float,
        not_before: float,
        on_arrival: Callable[[bytes], None] = _nothing,
        on_departure: Callable[[bytes], None] = _nothing,
    ) -> None:
        self._source = source
        self._destination = destination
        self._delay = delay
        self._not_before = not_before
        self._on_arrival = on_arrival
        self._on_departure = on_departure
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._octets = 0
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=work, name="pipe", daemon=True) for work in (self._take_in, self._hand_on)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _take_in(self) -> None:
        """Until the source ends; an empty chunk says so."""
        chunk = b"more"
        while chunk:
            try:
                chunk = self._source.recv(_CHUNK)
            except OSError:
                chunk = b""
            if chunk:
                self._on_arrival(chunk)
            due = max(time.monotonic(), self._not_before) + self._delay
            with self._changed:
                self._changed.wait_for(lambda: self._octets < _UNDER_WAY)
                self._under_way.append((due, chunk))
                self._octets += len(chunk)
                self._changed.notify_all()

    def _hand_on(self) -> None:
        """Until the empty chunk. Where the destination is gone, what comes is thrown away."""
        chunk = b"more"
        while chunk:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._under_way))
                due, chunk = self._under_way.popleft()
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            self._on_departure(chunk)
            with suppress(OSError):
                if chunk:
                    self._destination.sendall(chunk)
                else:
                    self._destination.shutdown(socket.SHUT_WR)
            with self._changed:
                self._octets -= len(chunk)
                self._changed.notify_all()
