"""A process that lives later than it does."""

from __future__ import annotations

from datetime import datetime, timedelta

from mailsluice.clock import SystemClock


def move_clock(distance: timedelta) -> None:
    """Let this process believe that it is so much later, and that the machine has run so much longer."""
    now, uptime = SystemClock.now, SystemClock.uptime

    def later(self: SystemClock) -> datetime:
        return now(self) + distance

    def longer(self: SystemClock) -> tuple[str, float]:
        boot, seconds = uptime(self)
        return boot, seconds + distance.total_seconds()

    SystemClock.now = later  # type: ignore[method-assign]
    SystemClock.uptime = longer  # type: ignore[method-assign]
