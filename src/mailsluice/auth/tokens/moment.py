"""The moment: a time by both clocks.

Owns how long ago something was, when the two clocks disagree. Must never read a clock by itself.

The monotonic clock stands still while a machine is suspended. The wall clock may be set, backward or forward.
Each alone could make an old token look young.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailsluice.clock import Clock


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was, in seconds: `monotonic` by the clock of this process, `wall` since 1970."""

    monotonic: float
    wall: float

    @classmethod
    def now(cls, clock: Clock) -> Moment:
        """The present moment."""
        return cls(clock.monotonic(), clock.now().timestamp())

    def since(self, earlier: Moment) -> float:
        """Seconds from an earlier moment to this one: the more of what the two clocks say."""
        return max(self.monotonic - earlier.monotonic, self.wall - earlier.wall)

    def at(self, wall: float) -> Moment:
        """The moment at which the wall clock said this, seen from now; if that is to come, now."""
        ago = max(0.0, self.wall - wall)
        return Moment(self.monotonic - ago, self.wall - ago)
