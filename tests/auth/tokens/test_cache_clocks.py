"""A token is over as soon as either clock says so: an office's machines sleep, and their clocks are set."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from auth.hand_clock import HandClock
from auth.hand_source import HandSource, throttled
from mailsluice.auth.tokens.cache import TokenCache
from mailsluice.auth.tokens.file import TokenFile
from mailsluice.auth.tokens.said import SaidToday
from mailsluice.clock import SystemClock
from mailsluice.errors import TokenUnavailable

HOURS = 3600.0


@pytest.fixture
def source() -> HandSource:
    return HandSource()


@pytest.fixture
def cache(source: HandSource, clock: HandClock) -> TokenCache:
    return TokenCache(source, clock, draw=lambda: 0.5)


def new_process(source: HandSource, clock: HandClock, folder: Path) -> TokenCache:
    file = TokenFile(folder, "one", SaidToday(folder / "said", clock), clock)
    return TokenCache(source, clock, file=file, draw=lambda: 0.5)


def test_after_a_machine_slept_for_eight_hours_another_token_is_asked_for(
    cache: TokenCache, clock: HandClock
) -> None:
    cache.token()
    clock.seconds += 60
    clock.ahead += 8 * HOURS
    assert cache.token() == "canary-token-2"


def test_a_clock_set_back_makes_no_token_young(cache: TokenCache, clock: HandClock) -> None:
    cache.token()
    clock.seconds += 40 * 60
    clock.ahead -= 2 * HOURS
    assert cache.token() == "canary-token-1"
    clock.seconds += 5 * 60
    assert cache.token() == "canary-token-2"


def test_a_clock_set_forward_costs_one_request_and_no_more(
    source: HandSource, cache: TokenCache, clock: HandClock
) -> None:
    cache.token()
    clock.ahead += 2 * HOURS
    assert [cache.token() for _ in range(3)] == ["canary-token-2"] * 3
    clock.ahead -= 2 * HOURS
    assert [cache.token() for _ in range(3)] == ["canary-token-2"] * 3
    assert source.asked == 2


def test_daylight_saving_is_nothing_to_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock that is asked is in UTC, whatever the zone is."""
    before = SystemClock().now().timestamp()
    monkeypatch.setenv("TZ", "XXX-5" if os.environ.get("TZ") != "XXX-5" else "XXX-6")
    time.tzset()
    try:
        assert abs(SystemClock().now().timestamp() - before) < 60
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_a_provider_wants_is_over_when_a_machine_has_slept(
    source: HandSource, cache: TokenCache, clock: HandClock
) -> None:
    source.answer = throttled
    with pytest.raises(TokenUnavailable):
        cache.token()
    source.answer = source.token
    clock.ahead += 8 * HOURS
    assert cache.token() == "canary-token-2"


@pytest.mark.parametrize(("ahead", "asked"), [(8 * HOURS, 2), (-2 * HOURS, 2), (2 * HOURS, 2), (-30.0, 1)])
def test_the_next_process_believes_no_file_from_the_future_and_no_old_one(
    source: HandSource, clock: HandClock, tmp_path: Path, ahead: float, asked: int
) -> None:
    new_process(source, clock, tmp_path).token()
    clock.ahead += ahead
    new_process(source, clock, tmp_path).token()
    assert source.asked == asked


def test_a_token_does_not_grow_young_by_the_file_when_the_clock_is_set_back(
    source: HandSource, clock: HandClock, tmp_path: Path
) -> None:
    cache = new_process(source, clock, tmp_path)
    cache.token()
    clock.seconds += 45 * 60
    clock.ahead -= 30 * 60
    assert cache.token() == "canary-token-2"


@pytest.mark.parametrize(("ahead", "asked"), [(0.0, 1), (-2 * HOURS, 2), (2 * HOURS, 2)])
def test_the_next_process_keeps_quiet_by_a_clock_that_is_right(
    source: HandSource, clock: HandClock, tmp_path: Path, ahead: float, asked: int
) -> None:
    source.answer = throttled
    for step in (0.0, ahead):
        clock.ahead += step
        with pytest.raises(TokenUnavailable, match="too often"):
            new_process(source, clock, tmp_path).token()
    assert source.asked == asked


def test_a_token_that_would_live_for_years_is_used_for_a_day(
    source: HandSource, cache: TokenCache, clock: HandClock
) -> None:
    source.lifetime = 1e9
    cache.token()
    clock.seconds += 0.75 * 24 * HOURS
    assert cache.token() == "canary-token-2"
