from __future__ import annotations

import pytest

from auth.hand_clock import HandClock
from mailsluice.net.deadlines import Deadline, Patience


def test_patience_wears_off_with_waiting() -> None:
    patience = Patience(10)
    patience.spend(4, 1_000_000)
    assert patience.left == 6


def test_at_a_good_pace_patience_begins_anew() -> None:
    patience = Patience(10, per_octets=100)
    patience.spend(9, 99)
    assert patience.left == 1
    patience.spend(0, 1)
    assert patience.left == 10


def test_a_trickle_does_not_renew_patience() -> None:
    patience = Patience(10, per_octets=100)
    for _ in range(10):
        patience.spend(1, 9)
    assert patience.left == 0


def test_a_deadline_has_less_left_with_all_time_that_passes(clock: HandClock) -> None:
    deadline = Deadline(clock, 10)
    clock.seconds += 4
    assert deadline.left() == 6
    assert not deadline.is_over


def test_at_its_moment_a_deadline_is_over_and_has_nothing_left(clock: HandClock) -> None:
    deadline = Deadline(clock, 10)
    clock.seconds += 10
    assert deadline.is_over
    with pytest.raises(TimeoutError):
        deadline.left()
