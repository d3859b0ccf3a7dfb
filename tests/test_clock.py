"""The machine's clock."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from mailsluice.clock import SystemClock, _boot


def test_the_wall_clock_is_in_utc_and_knows_it() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_the_monotonic_clock_never_steps_backward() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(1000)]

    assert readings == sorted(readings)


def test_the_uptime_never_steps_backward_within_one_start_of_the_machine() -> None:
    clock = SystemClock()
    first, second = clock.uptime(), clock.uptime()

    assert first[0] == second[0] != ""
    assert first[1] <= second[1]


def test_a_kernel_that_does_not_tell_its_start_is_one_start_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mailsluice.clock.Path", lambda _: Path("/nowhere"))
    _boot.cache_clear()
    try:
        assert SystemClock().uptime()[0] == SystemClock().uptime()[0] != ""
    finally:
        _boot.cache_clear()
