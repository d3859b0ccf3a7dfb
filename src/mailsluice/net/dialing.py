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

from mailsluice.net.stages import Observe, Stage, unobserved

ATTEMPT_DELAY = 0.25
"""Seconds after which the next address is tried, too, if no address has answered (RFC 8305 §8)."""

_NO_FAMILY = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""This machine has no way out for the whole family of an address."""

_UNDER_WAY = frozenset({0, errno.EINPROGRESS, errno.EALREADY, errno.EISCONN})

Address = tuple[int, int, int, str, Any]
"""An address as `socket.getaddrinfo` returns it."""


def dial(
    addresses: Sequence[Address], left: Callable[[], float], observe: Observe = unobserved
) -> socket.socket:
    """A socket that is connected to the address that answered first. Families are tried in turn.

    `left` returns how many seconds are left, and raises OSError if there are none. It is called at least
    every ATTEMPT_DELAY. Raises that OSError, or the failure of the last attempt if no address can be reached.
    But "no way to IPv6" is told only if there is nothing else to tell: most names have such addresses, and
    many machines have no way to them.
    """
    observe(Stage.TCP, None)
    race = _Race(observe)
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

    def __init__(self, observe: Observe) -> None:
        self._selector = selectors.DefaultSelector()
        self._observe = observe
        self.failure = OSError("the name has no address")
        self._has_failed = False

    @property
    def runs(self) -> bool:
        return bool(self._selector.get_map())

    def begin(self, address: Address) -> None:
        family, kind, protocol, _, where = address
        try:
            attempt = socket.socket(family, kind, protocol)
        except OSError as exc:
            self._note(exc)
            return
        attempt.setblocking(False)
        self._selector.register(attempt, selectors.EVENT_WRITE, where)
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
            self._observe(Stage.TCP, _spelled(key.data))
            return _ready(attempt)
        return None

    def end(self) -> None:
        for key in list(self._selector.get_map().values()):
            self._close(key.fileobj)
        self._selector.close()

    def _drop(self, attempt: Any, failure: OSError) -> None:
        self._note(failure)
        self._close(attempt)

    def _note(self, failure: OSError) -> None:
        if not self._has_failed or failure.errno not in _NO_FAMILY:
            self.failure, self._has_failed = failure, True

    def _close(self, attempt: Any) -> None:
        self._selector.unregister(attempt)
        attempt.close()


def _spelled(where: Any) -> str:
    """The address and the port, as people write them."""
    host, port = where[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
