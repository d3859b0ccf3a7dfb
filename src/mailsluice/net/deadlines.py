"""Deadlines: how long a server may keep us waiting.

Owns the two ways to count that: until a moment, and by the time that was waited. Must never know the numbers
of a protocol.
"""

from __future__ import annotations

from typing import Protocol

from mailsluice.clock import Clock


class Limits(Protocol):
    """The limits in seconds that every protocol has. A protocol adds the limits of its own phases."""

    @property
    def connect(self) -> float:
        """For all addresses of the name together."""
        ...

    @property
    def tls(self) -> float:
        """For the handshake."""
        ...

    @property
    def session(self) -> float:
        """For the whole session, from the first address on."""
        ...


class Deadline:
    """The moment when everything has to be over, `seconds` from now."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether that moment has come."""
        return self._clock.monotonic() >= self._end

    def left(self) -> float:
        """The seconds left. Raises TimeoutError if there are none."""
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class Patience:
    """The time in which one phase may still wait for the server. Our own work does not count.

    With `per_octets`, the time begins again after each `per_octets` octets. So the server must keep a minimum
    speed, but a large message may take long.
    """

    def __init__(self, seconds: float, *, per_octets: int | None = None) -> None:
        self.allowed = seconds
        self.left = seconds
        self._per_octets = per_octets
        self._octets = 0

    def spend(self, seconds: float, octets: int) -> None:
        """Note that we waited for so many seconds, and that so many octets came."""
        self.left -= seconds
        self._octets += octets
        if self._per_octets is not None and self._octets >= self._per_octets:
            self.left, self._octets = self.allowed, 0
