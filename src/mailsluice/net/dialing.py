"""Dialing: a connection to a host that has several addresses, some of which may not answer.

Owns the race between them (RFC 8305 §5). Must never wait longer than allowed. Must never know what is sent
over the connection, or what a failure means.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from typing import Any

ATTEMPT_DELAY = 0.25
"""Seconds after which the next address is tried, too, if no address has answered (RFC 8305 §8)."""

_UNDER_WAY = frozenset({0, errno.EINPROGRESS, errno.EALREADY, errno.EISCONN})

Address = tuple[int, int, int, str, Any]
"""An address as `socket.getaddrinfo` returns it."""


def dial(addresses: Sequence[Address], left: Callable[[], float]) -> socket.socket:
    """A socket that is connected to the address that answered first. Families are tried in turn.

    `left` returns how many seconds are left, and raises OSError if there are none. It is called at least
    every ATTEMPT_DELAY. Raises that OSError, or the failure of the last attempt if no address can be reached.
    """
    race = _Race()
    try:
        waiting = deque(_in_turn(addresses))
        while waiting or race.runs:
            if waiting:
                race.begin(waiting.popleft())
            if race.runs and (winner := race.winner(min(ATTEMPT_DELAY, left()))):
                return winner
        raise race.failure
    finally:
        race.end()


def _in_turn(addresses: Sequence[Address]) -> list[Address]:
    """The addresses in the resolver's order, but the first one's family and the others alternate.

    So a family that does not work costs one address before the next one works (RFC 8305 §4).
    """
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return [address for address in chain(*zip_longest(first, others)) if address]


class _Race:
    """Attempts that run side by side."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.failure = OSError("the name has no address")

    @property
    def runs(self) -> bool:
        return bool(self._selector.get_map())

    def begin(self, address: Address) -> None:
        family, kind, protocol, _, where = address
        try:
            attempt = socket.socket(family, kind, protocol)
        except OSError as exc:
            self.failure = exc
            return
        attempt.setblocking(False)
        self._selector.register(attempt, selectors.EVENT_WRITE)
        code = _begun(attempt, where)
        if code not in _UNDER_WAY:
            self._drop(attempt, OSError(code, os.strerror(code)))

    def winner(self, seconds: float) -> socket.socket | None:
        """Wait at most so many seconds for an attempt that is connected. None if there is none yet."""
        for key, _ in self._selector.select(seconds):
            attempt: Any = key.fileobj
            if code := attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._drop(attempt, OSError(code, os.strerror(code)))
                continue
            self._selector.unregister(attempt)
            return _ready(attempt)
        return None

    def end(self) -> None:
        for key in list(self._selector.get_map().values()):
            self._drop(key.fileobj, self.failure)
        self._selector.close()

    def _drop(self, attempt: Any, failure: OSError) -> None:
        self.failure = failure
        self._selector.unregister(attempt)
        attempt.close()


def _begun(attempt: socket.socket, where: Any) -> int:
    """Begin to connect. Returns the error code. If a signal interrupts it, it is called again."""
    while (code := attempt.connect_ex(where)) == errno.EINTR:
        pass
    return code


def _ready(attempt: socket.socket) -> socket.socket:
    try:
        attempt.setblocking(True)
        attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        attempt.close()
        raise
    return attempt
