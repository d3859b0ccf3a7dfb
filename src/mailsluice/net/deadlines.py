"""Deadlines: how long a server may keep us waiting.

Owns the two ways to count that: up to a moment, and by what was waited. Must never know a protocol's numbers.
"""

from __future__ import annotations

from typing import Protocol

from mailsluice.clock import Clock


class Limits(Protocol):
    """The seconds that connections of any protocol have; those of its phases it has beside them."""

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
        """From the first address to the end, whatever goes on."""
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
        """The seconds left. Raises TimeoutError where there are none."""
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class Patience:
    """What is left of the time that one phase may wait; our own work does not count.

    With `per_octets` the time begins anew with each so many octets: a demand on the pace, not on the whole.
    """

    def __init__(self, seconds: float, *, per_octets: int | None = None) -> None:
        self.allowed = seconds
        self.left = seconds
        self._per_octets = per_octets
        self._octets = 0

    def spend(self, seconds: float, octets: int) -> None:
        """Note that we waited so long and got so much."""
        self.left -= seconds
        self._octets += octets
        if self._per_octets is not None and self._octets >= self._per_octets:
            self.left, self._octets = self.allowed, 0
