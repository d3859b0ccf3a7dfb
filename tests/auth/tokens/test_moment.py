from __future__ import annotations

from auth.hand_clock import HandClock
from mailsluice.auth.tokens.moment import Moment

NOW = Moment(monotonic=1_000.0, wall=50_000.0)


def test_a_moment_is_now_by_both_clocks(clock: HandClock) -> None:
    assert Moment.now(clock) == Moment(clock.monotonic(), clock.now().timestamp())


def test_what_passed_is_the_more_of_what_the_clocks_say() -> None:
    assert NOW.since(Moment(monotonic=990.0, wall=49_000.0)) == 1_000.0
    assert NOW.since(Moment(monotonic=900.0, wall=49_990.0)) == 100.0


def test_a_time_of_another_process_is_as_long_ago_by_both_clocks() -> None:
    assert NOW.since(NOW.at(49_970.0)) == 30.0
    assert NOW.at(49_970.0) == Moment(monotonic=970.0, wall=49_970.0)


def test_a_time_to_come_is_now() -> None:
    assert NOW.at(50_030.0) == NOW
