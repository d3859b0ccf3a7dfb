"""How long mailboxes are left alone: by their own failures, and by their credential's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsluice.config.models import Mailbox, SpoolSink
from mailsluice.outcome import Answer, Disposition
from mailsluice.polling.pacing import LONGEST_DELAY, Pacing, SlowDown, delay_after, interval_of

MINUTE = timedelta(minutes=1)
NONE = timedelta()


def mailbox(name: str, credential: str = "acme", **keys: object) -> Mailbox:
    sink = SpoolSink.model_validate({"path": "/spool"})
    common = {"name": name, "address": f"{name}@x.example", "credential": credential, "host": "localhost"}
    return Mailbox.model_validate({**common, "sink": sink, "every": "1m", **keys})


class Day:
    """A pacing of mailboxes `a` to `d` of one credential and `other` of another, and the time."""

    def __init__(self, jitter: Callable[[], float] = lambda: 0.0) -> None:
        names = ("a", "b", "c", "d")
        mailboxes = [*map(mailbox, names), mailbox("other", "emca")]
        self.now = 1000.0
        self.pacing = Pacing(mailboxes, self.now, jitter)

    def later(self, **time: float) -> None:
        self.now += timedelta(**time).total_seconds()

    def begin(self, name: str) -> timedelta:
        return self.pacing.begin(name, self.now)

    def wait(self, name: str) -> timedelta:
        return self.pacing.wait(name, self.now)

    def failed(
        self, name: str, disposition: Disposition = Disposition.BACK_OFF, *, of_credential: bool = True
    ) -> SlowDown | None:
        return self.pacing.failed(name, disposition, self.now, of_credential=of_credential)

    def fail(
        self, name: str, disposition: Disposition = Disposition.BACK_OFF, *, of_credential: bool = True
    ) -> SlowDown | None:
        assert self.begin(name) == NONE
        return self.failed(name, disposition, of_credential=of_credential)

    def serve(self, name: str) -> bool:
        assert self.begin(name) == NONE
        return self.pacing.served(name)


@pytest.fixture
def day() -> Day:
    return Day()


@pytest.mark.parametrize(
    ("disposition", "failures", "interval", "expected"),
    [
        (Disposition.RETRY, 5, MINUTE, NONE),
        (Disposition.BACK_OFF, 1, MINUTE, 2 * MINUTE),
        (Disposition.BACK_OFF, 3, MINUTE, 8 * MINUTE),
        (Disposition.BACK_OFF, 10**6, MINUTE, LONGEST_DELAY),
        (Disposition.BACK_OFF, 1, timedelta(seconds=1), timedelta(seconds=2)),
        (Disposition.OPERATOR, 1, MINUTE, 4 * MINUTE),
        (Disposition.BUG, 1, MINUTE, 4 * MINUTE),
    ],
)
def test_a_failing_mailbox_is_tried_later_and_later_but_at_least_every_quarter_of_an_hour(
    disposition: Disposition, failures: int, interval: timedelta, expected: timedelta
) -> None:
    assert delay_after(disposition, failures, interval, 0.0) == expected


def test_jitter_shortens_a_delay_by_a_fifth_at_most() -> None:
    assert delay_after(Disposition.BACK_OFF, 2, MINUTE, 1.0) == 4 * MINUTE * 0.8


def test_a_failure_puts_its_own_mailbox_off_and_no_other(day: Day) -> None:
    day.fail("a", of_credential=False)
    day.fail("b", of_credential=False)

    assert day.wait("a") == day.wait("b") == 2 * MINUTE
    assert day.wait("c") == NONE


def test_a_success_forgets_a_mailboxs_failures(day: Day) -> None:
    day.fail("a", of_credential=False)
    day.later(minutes=2)
    day.serve("a")
    day.fail("a", of_credential=False)

    assert day.wait("a") == 2 * MINUTE


def test_what_asks_for_no_delay_is_no_failure(day: Day) -> None:
    for _ in range(9):
        day.fail("a", Disposition.RETRY, of_credential=False)

    assert day.wait("a") == NONE
    day.fail("a", of_credential=False)
    assert day.wait("a") == 2 * MINUTE


def test_a_poll_that_comes_too_soon_is_not_begun(day: Day) -> None:
    day.fail("a", of_credential=False)
    day.later(minutes=1)

    assert day.begin("a") == MINUTE


def test_a_moment_too_soon_is_soon_enough(day: Day) -> None:
    day.fail("a", of_credential=False)
    day.later(seconds=118.5)

    assert day.begin("a") == NONE


def test_one_refused_login_is_taken_for_what_passes_and_the_second_for_what_does_not(day: Day) -> None:
    day.fail("a", Disposition.OPERATOR)
    first = day.wait("a")
    day.later(minutes=2)
    day.fail("a", Disposition.OPERATOR)

    assert (first, day.wait("a")) == (2 * MINUTE, 8 * MINUTE)


def test_what_the_operator_must_mend_for_one_mailbox_is_asked_again_slowly_at_once(day: Day) -> None:
    day.fail("a", Disposition.OPERATOR, of_credential=False)

    assert day.wait("a") == 4 * MINUTE


def test_two_throttled_mailboxes_in_a_row_slow_the_whole_credential_down(day: Day) -> None:
    assert day.fail("a") is None
    slow = day.fail("b")

    assert slow == SlowDown(level=1, began=day.now, until=day.now + 120, spread=30)
    assert day.begin("c") == 2 * MINUTE
    assert day.begin("other") == NONE


def test_one_mailbox_alone_slows_no_other_down_however_often_it_fails(day: Day) -> None:
    for _ in range(9):
        assert day.fail("a") is None
        day.later(minutes=15)

    assert day.wait("b") == NONE


def test_one_mailbox_that_fails_now_this_way_and_now_that_slows_no_other_down(day: Day) -> None:
    for of_credential in (True, False, True):
        assert day.fail("a", of_credential=of_credential) is None
        day.later(minutes=15)


def test_a_success_between_two_failures_shows_that_the_credential_is_well(day: Day) -> None:
    day.fail("a")
    day.serve("b")

    assert day.fail("c") is None


def test_a_success_begun_while_others_hang_shows_that_the_credential_is_well(day: Day) -> None:
    for name in ("a", "b"):
        assert day.begin(name) == NONE
    day.later(seconds=1)
    day.serve("c")
    day.later(minutes=2)

    assert [day.failed(name) for name in ("a", "b")] == [None, None]


def test_a_success_of_a_poll_begun_before_shows_nothing(day: Day) -> None:
    day.begin("c")
    day.later(seconds=1)
    for name in ("a", "b"):
        assert day.begin(name) == NONE
    day.pacing.served("c")

    assert [bool(day.failed(name)) for name in ("a", "b")] == [False, True]


def test_a_forgiven_mailbox_is_not_left_alone_and_is_no_beginner(day: Day) -> None:
    day.fail("a", of_credential=False)
    day.pacing.forgive(["a"])
    assert day.wait("a") == NONE
    day.fail("a", of_credential=False)

    assert day.wait("a") == 4 * MINUTE


@pytest.mark.parametrize("answer", Answer)
def test_a_credential_remembers_whether_it_slowed_down_by_silence(day: Day, answer: Answer) -> None:
    for name in ("a", "b"):
        day.begin(name)
        day.pacing.failed(name, Disposition.BACK_OFF, day.now, of_credential=True, answer=answer)

    assert day.pacing.was_silent("a") == (answer is not Answer.GIVEN)


def test_mailboxes_that_never_worked_do_not_slow_their_credential_down_again_and_again(day: Day) -> None:
    day.fail("a", Disposition.OPERATOR)
    day.serve("c")
    day.fail("b", Disposition.OPERATOR)
    day.serve("c")
    day.later(minutes=15)

    assert day.fail("a", Disposition.OPERATOR) is None
    assert day.fail("b", Disposition.OPERATOR) is None


def test_failures_of_one_mailbox_alone_do_not_slow_the_credential_down(day: Day) -> None:
    assert [day.fail(name, of_credential=False) for name in ("a", "b", "c", "d")] == [None] * 4


def test_however_many_were_under_way_they_are_one_step(day: Day) -> None:
    for name in ("a", "b", "c", "d"):
        assert day.begin(name) == NONE
    day.later(minutes=1)
    steps = [day.failed(name) for name in ("a", "b", "c", "d")]

    assert [slow.level for slow in steps if slow] == [1]


def test_whoever_fails_after_the_slow_down_prolongs_it(day: Day) -> None:
    day.fail("a")
    day.fail("b")
    began = day.now
    for minutes, level in [(2, 2), (4, 3), (8, 4)]:
        day.later(minutes=minutes)
        slow = day.fail("c")
        assert slow is not None
        assert (slow.level, slow.began) == (level, began)
    day.later(minutes=12)
    longest = day.fail("c")

    assert longest is not None
    assert (longest.until - day.now, longest.spread) == (12 * 60, 3 * 60)


def test_a_mailbox_that_hung_before_does_not_prolong_a_slow_down_by_hanging_again(day: Day) -> None:
    for name in ("a", "b"):
        day.begin(name)
        day.pacing.failed(name, Disposition.BACK_OFF, day.now, of_credential=True, answer=Answer.MISSED)
    day.later(minutes=2)

    for name, prolonged in (("a", False), ("c", True)):
        assert day.begin(name) == NONE
        slow = day.pacing.failed(
            name, Disposition.BACK_OFF, day.now, of_credential=True, answer=Answer.MISSED
        )
        assert bool(slow) is prolonged


def test_a_success_of_a_poll_begun_since_ends_the_slow_down(day: Day) -> None:
    day.fail("a")
    day.fail("b")
    day.later(minutes=2)

    assert day.serve("c")
    assert day.wait("d") == NONE
    assert not day.serve("d")


def test_a_success_of_a_poll_begun_before_does_not_end_the_slow_down(day: Day) -> None:
    day.begin("c")
    day.later(seconds=1)
    day.fail("a")
    day.fail("b")

    assert not day.pacing.served("c")
    assert day.wait("d") == 2 * MINUTE


def test_after_a_recovery_it_takes_two_mailboxes_again(day: Day) -> None:
    day.fail("a")
    day.fail("b")
    day.later(minutes=2)
    day.serve("c")

    assert day.fail("c") is None
    assert day.fail("d") is not None


def test_mailboxes_come_back_one_by_one() -> None:
    draws = iter([0.0, 0.0, 0.2, 1.0] + [0.0] * 9)
    day = Day(lambda: next(draws))
    day.fail("a")
    day.fail("b")

    assert day.wait("c") == timedelta(seconds=120 + 0.2 * 30)
    assert day.wait("d") == timedelta(seconds=120 + 30)


def test_a_mailbox_whose_last_poll_is_15_minutes_old_is_not_put_off(day: Day) -> None:
    day.serve("c")
    day.later(minutes=10)
    day.fail("a")
    day.fail("b")
    day.later(minutes=2)
    day.fail("a")

    assert day.begin("c") == 3 * MINUTE
    day.later(minutes=3)
    assert day.begin("c") == NONE


def test_mailboxes_that_wait_the_longest_come_one_by_one_as_well() -> None:
    day = Day(lambda: 0.5)
    day.later(minutes=13)
    day.fail("a")
    day.fail("b")

    assert day.wait("c") == timedelta(minutes=15 * 0.9 - 13)


def test_a_cron_line_counts_as_the_densest_there_can_be() -> None:
    assert interval_of(mailbox("m", cron="0 6 * * *", every=None)) == MINUTE


OUTCOMES = st.sampled_from([None, *Disposition])


@given(
    polls=st.lists(st.tuples(OUTCOMES, st.booleans(), st.floats(0, 300)), min_size=1, max_size=200),
    minutes=st.integers(1, 40),
    jitter=st.randoms(use_true_random=False),
)
def test_whatever_happens_no_mailbox_waits_longer_than_15_minutes_or_its_interval(
    polls: list[tuple[Disposition | None, bool, float]], minutes: int, jitter: object
) -> None:
    names = [f"m{number}" for number in range(5)]
    interval = minutes * 60
    draw: Callable[[], float] = jitter.random  # type: ignore[attr-defined]
    pacing = Pacing([mailbox(name, every=f"{minutes}m") for name in names], 0.0, draw)
    due = {name: interval * draw() for name in names}
    last = dict.fromkeys(names, 0.0)
    longest = dict.fromkeys(names, max(LONGEST_DELAY.total_seconds(), interval))

    for outcome, of_credential, seconds in polls:
        name = min(names, key=lambda name: due[name])
        now = due[name]
        while wait := pacing.begin(name, now):
            now += wait.total_seconds()
        assert now - last[name] <= longest[name] + 1e-3
        ended = now + seconds
        usual = now + interval * (1 + seconds // interval)
        last[name], longest[name] = now, max(LONGEST_DELAY.total_seconds(), usual - now)
        if outcome is None:
            pacing.served(name)
        else:
            pacing.failed(name, outcome, ended, of_credential=of_credential)
        due[name] = max(usual, ended + pacing.wait(name, ended).total_seconds())


def test_who_goes_on_keeps_its_delay_and_who_begins_anew_has_none(day: Day) -> None:
    day.fail("a", of_credential=False)
    day.fail("b", of_credential=False)
    left = day.wait("a")
    day.later(seconds=30)

    boxes = [mailbox("a"), mailbox("b", every="2m"), mailbox("new")]
    day.pacing.follow(boxes, day.now, {"b"})

    assert NONE < day.wait("a") == left - timedelta(seconds=30)
    assert (day.wait("b"), day.wait("new")) == (NONE, NONE)
    with pytest.raises(KeyError):
        day.wait("c")


def test_a_slow_down_is_that_of_new_mailboxes_too_and_ends_with_the_last_that_goes_on(day: Day) -> None:
    day.fail("a")
    assert day.fail("b")
    boxes = [mailbox("a"), mailbox("new")]
    day.pacing.follow(boxes, day.now)
    assert day.wait("new") > NONE
    day.pacing.follow(boxes, day.now, {"a", "new"})
    assert (day.wait("a"), day.wait("new")) == (NONE, NONE)
