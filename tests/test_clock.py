"""The machine's clock."""

from __future__ import annotations

from datetime import UTC

from mailsluice.clock import SystemClock


def test_the_wall_clock_is_in_utc_and_knows_it() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_the_monotonic_clock_never_steps_backward() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(1000)]

    assert readings == sorted(readings)
