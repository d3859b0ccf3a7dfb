from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import pytest

from auth.hand_clock import HandClock
from mailsluice.clock import SystemClock
from mailsluice.net.trials import HELD_BACK, SILENCE, Refused, Trials
from support.secrecy import CANARY

PROXY = "proxy.acme.example:3128"
LOGIN = f"{CANARY}-ann:right".encode()
MANY = 20


def hasty() -> float:
    raise TimeoutError


def refuse() -> str:
    raise Refused(407, ["Basic"])


def accept() -> str:
    return "a tunnel"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def trials(clock: HandClock) -> Trials:
    return Trials(clock)


class Crowd:
    """Threads that present one login at once. The first trial is answered when all others wait for it."""

    def __init__(self, trials: Trials, then: Callable[[], str]) -> None:
        self.asked = 0
        self._then = then
        self._waiting: set[int] = set()
        self._all_wait = threading.Event()
        self._first = threading.Lock()
        with ThreadPoolExecutor(MANY) as pool:
            self.ends: list[Future[str]] = [
                pool.submit(trials.present, PROXY, LOGIN, self._left, self._ask) for _ in range(MANY)
            ]

    def _left(self) -> float:
        self._waiting.add(threading.get_ident())
        if len(self._waiting) == MANY - 1:
            self._all_wait.set()
        return 20.0

    def _ask(self) -> str:
        with self._first:
            self.asked += 1
            assert self._all_wait.wait(20)
        return self._then()


def test_a_wrong_password_is_presented_once_and_all_hear_the_answer(trials: Trials) -> None:
    crowd = Crowd(trials, refuse)
    assert crowd.asked == 1
    errors = [end.exception() for end in crowd.ends]
    assert [error.args for error in errors if isinstance(error, Refused)] == [(407, ["Basic"])] * MANY
    assert len({id(error) for error in errors}) == MANY  # each thread adds its own traceback


def test_a_right_password_gets_all_through_and_then_nobody_waits(trials: Trials) -> None:
    others = threading.Barrier(MANY - 1)
    first = threading.Event()

    def together() -> str:
        if first.is_set():
            others.wait(20)  # broken if they came one after the other
        first.set()
        return "a tunnel"

    crowd = Crowd(trials, together)
    assert [end.result() for end in crowd.ends] == ["a tunnel"] * MANY
    assert crowd.asked == MANY


def test_another_password_is_tried_at_once(trials: Trials) -> None:
    with pytest.raises(Refused):
        trials.present(PROXY, LOGIN, hasty, refuse)
    assert trials.present(PROXY, b"another", hasty, accept) == "a tunnel"


def test_what_was_refused_is_tried_once_more_after_a_quarter_of_an_hour(
    trials: Trials, clock: HandClock
) -> None:
    asked = 0

    def ask() -> str:
        nonlocal asked
        asked += 1
        return refuse()

    for after in (0, HELD_BACK - 1, 1, HELD_BACK - 1, 1):
        clock.seconds += after
        for _ in range(3):
            with pytest.raises(Refused):
                trials.present(PROXY, LOGIN, hasty, ask)
    assert asked == 3


def test_what_was_accepted_before_it_was_refused_is_tried_by_one_alone_again(
    trials: Trials, clock: HandClock
) -> None:
    def late() -> str:
        """The answer of a trial that began before the password was changed, and ended after it."""
        with suppress(Refused):
            trials.present(PROXY, LOGIN, hasty, refuse)
        return "a tunnel"

    trials.present(PROXY, LOGIN, hasty, accept)
    assert trials.present(PROXY, LOGIN, hasty, late) == "a tunnel"
    with pytest.raises(Refused):
        trials.present(PROXY, LOGIN, hasty, accept)
    clock.seconds += HELD_BACK
    assert Crowd(trials, refuse).asked == 1


@pytest.mark.parametrize("other", [("proxy.acme.example:80", LOGIN), (PROXY, b"bob:right")])
def test_two_proxies_or_two_users_do_not_hinder_each_other(trials: Trials, other: tuple[str, bytes]) -> None:
    def meanwhile() -> str:
        return trials.present(*other, hasty, accept)

    assert trials.present(PROXY, LOGIN, hasty, meanwhile) == "a tunnel"
    with pytest.raises(Refused):
        trials.present(other[0], b"wrong", hasty, refuse)
    assert trials.present(PROXY, b"new", hasty, accept) == "a tunnel"


def test_after_a_trial_that_died_the_next_one_tries(trials: Trials) -> None:
    def die() -> str:
        raise OSError("timed out")

    crowd = Crowd(trials, die)
    assert crowd.asked == MANY
    assert {str(end.exception()) for end in crowd.ends} == {"timed out"}


def test_the_end_of_a_trial_wakes_who_waits_for_it(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailsluice.net.trials.ATTEMPT_DELAY", 20.0)
    begun = SystemClock().monotonic()
    Crowd(trials, accept)
    assert SystemClock().monotonic() - begun < 10


def test_a_trial_that_is_silent_holds_up_nobody_for_long(trials: Trials, clock: HandClock) -> None:
    def silent() -> str:
        clock.seconds += SILENCE - 1
        with pytest.raises(TimeoutError):
            trials.present(PROXY, LOGIN, hasty, accept)
        clock.seconds += 1
        with suppress(OSError):
            trials.present(PROXY, LOGIN, hasty, second)
        raise OSError("the server behind the proxy is dead")

    def second() -> str:
        with pytest.raises(TimeoutError):
            trials.present(PROXY, LOGIN, hasty, accept)  # one at a time, still
        return "a tunnel"

    with pytest.raises(OSError, match="is dead"):
        trials.present(PROXY, LOGIN, hasty, silent)
    assert trials.present(PROXY, LOGIN, hasty, accept) == "a tunnel"


def test_a_trial_that_ends_late_does_not_end_the_one_beside_it(trials: Trials, clock: HandClock) -> None:
    first_ended = threading.Event()
    second_asks = threading.Event()

    def second() -> str:
        second_asks.set()
        assert first_ended.wait(20)
        with pytest.raises(TimeoutError):
            trials.present(PROXY, LOGIN, hasty, accept)
        return "a tunnel"

    def first() -> str:
        clock.seconds += SILENCE
        ends.append(pool.submit(trials.present, PROXY, LOGIN, hasty, second))
        assert second_asks.wait(20)
        raise OSError("timed out")

    ends: list[Future[str]] = []
    with ThreadPoolExecutor() as pool:
        with pytest.raises(OSError, match="timed out"):
            trials.present(PROXY, LOGIN, hasty, first)
        first_ended.set()
    assert ends[0].result() == "a tunnel"


def test_no_password_is_kept(trials: Trials) -> None:
    with suppress(Refused):
        trials.present(PROXY, LOGIN, hasty, refuse)
    trials.present(PROXY, LOGIN + b"2", hasty, accept)
    assert CANARY not in repr(vars(trials))
