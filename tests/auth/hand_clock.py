"""Time that passes when a test says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class HandClock:
    """Both clocks go with `seconds`. `ahead` is what the wall clock was set, or gained in a sleep, beside that."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.ahead = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds + self.ahead)

    def monotonic(self) -> float:
        return self.seconds
