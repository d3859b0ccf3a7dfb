"""The threads that sessions run in, and how credentials share them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial

import pytest
from structlog.testing import capture_logs

from mailsluice.errors import NoThread
from mailsluice.obs import events
from mailsluice.polling.pool import Lane, Pool
from support.shortage import Shortage, of_sessions
from support.waiting import wait_until

SOON = 20.0


class Hall:
    """Where calls stay until they are let go, and who is inside."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: set[str] = set()
        self.inside: Counter[str] = Counter()

    def enter(self, name: str) -> str:
        with self._changed:
            self.inside[name] += 1
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: name in self._open, SOON)
            self.inside[name] -= 1
            self._changed.notify_all()
        return name

    def let_go(self, *names: str) -> None:
        with self._changed:
            self._open.update(names)
            self._changed.notify_all()

    def holds(self, **expected: int) -> bool:
        """Wait until so many are inside, then say whether it is no more than that."""
        with self._changed:
            self._changed.wait_for(lambda: all(self.inside[name] >= n for name, n in expected.items()), SOON)
            return all(self.inside[name] == n for name, n in expected.items())


@pytest.fixture
def hall() -> Iterator[Hall]:
    hall = Hall()
    yield hall
    hall.let_go("a", "b", "c", "probe")


def submit(lane: Lane, hall: Hall, name: str, times: int) -> list[Future[str]]:
    return [lane.submit(hall.enter, name) for _ in range(times)]


def settle(lane: Lane) -> None:
    """Have a call begun and ended, so that whatever may begin by then has been asked to."""
    assert lane.submit(lambda: True).result(SOON)


def test_what_a_call_returns_or_raises_is_in_its_future() -> None:
    with Pool(1) as pool:
        lane = pool.lane("a")
        good = lane.submit(divmod, 7, 2)
        bad = lane.submit(divmod, 7, 0)

    assert good.result() == (3, 1)
    assert isinstance(bad.exception(), ZeroDivisionError)


def test_a_single_credential_has_all_sessions(hall: Hall) -> None:
    with Pool(4) as pool:
        submit(pool.lane("a"), hall, "a", 6)

        assert hall.holds(a=4)
        hall.let_go("a")


@pytest.mark.parametrize(("size", "share"), [(2, 1), (3, 2), (4, 2), (16, 8)])
def test_one_of_several_credentials_has_half_of_the_sessions_rounded_up(
    hall: Hall, size: int, share: int
) -> None:
    with Pool(size) as pool:
        a, b = pool.lane("a"), pool.lane("b")
        submit(a, hall, "a", 2 * size)
        settle(b)

        assert hall.holds(a=share)
        hall.let_go("a")


def test_each_further_credential_has_half_of_what_the_others_leave(hall: Hall) -> None:
    with Pool(16) as pool:
        lanes = {name: pool.lane(name) for name in ("a", "b", "c", "probe")}
        for name in ("a", "b", "c"):
            submit(lanes[name], hall, name, 20)
        settle(lanes["probe"])

        assert hall.holds(a=8, b=4, c=2)
        hall.let_go("a", "b", "c")


def test_a_single_session_is_still_had_by_every_credential_in_turn(hall: Hall) -> None:
    with Pool(1) as pool:
        a, b = pool.lane("a"), pool.lane("b")
        (first,) = submit(a, hall, "a", 1)
        (second,) = submit(b, hall, "b", 1)
        assert hall.holds(a=1, b=0)
        hall.let_go("a", "b")

        assert (first.result(SOON), second.result(SOON)) == ("a", "b")


def test_who_waits_for_its_share_holds_up_nobody_behind_it(hall: Hall) -> None:
    with Pool(4) as pool:
        a, b = pool.lane("a"), pool.lane("b")
        submit(a, hall, "a", 50)

        for _ in range(50):
            settle(b)
        assert hall.holds(a=2)
        hall.let_go("a")


def test_whose_last_call_began_longest_ago_begins_next(hall: Hall) -> None:
    begun: list[str] = []
    with Pool(1) as pool:
        lanes = {name: pool.lane(name) for name in "abc"}
        submit(lanes["a"], hall, "a", 1)
        for name in "aaabbbccc":
            lanes[name].submit(begun.append, name)
        hall.let_go("a")

    assert "".join(begun) == "bcabcabca"


def test_what_waits_of_one_credential_begins_in_the_order_it_came(hall: Hall) -> None:
    begun: list[int] = []
    with Pool(1) as pool:
        lane = pool.lane("a")
        submit(lane, hall, "a", 1)
        for number in range(10):
            lane.submit(begun.append, number)
        hall.let_go("a")

    assert begun == list(range(10))


def test_a_session_that_ends_lets_in_whoever_waits(hall: Hall) -> None:
    with Pool(4) as pool:
        a, b = pool.lane("a"), pool.lane("b")
        submit(b, hall, "b", 2)
        submit(a, hall, "a", 3)
        assert hall.holds(b=2, a=1)

        hall.let_go("b")

        assert hall.holds(a=2)
        hall.let_go("a")


def aside(lane: Lane, hall: Hall, name: str, times: int) -> list[Future[str]]:
    return [lane.submit_as(name, partial(hall.enter, name), aside=True) for _ in range(times)]


def test_what_is_aside_leaves_a_quarter_of_the_sessions_free(hall: Hall) -> None:
    with Pool(16) as pool:
        aside(pool.lane("a"), hall, "a", 50)

        assert hall.holds(a=12)
        hall.let_go("a")


@pytest.mark.parametrize(("size", "share"), [(1, 1), (3, 1), (8, 2), (16, 4)])
def test_while_others_wait_what_is_aside_begins_in_a_quarter_of_the_sessions(
    hall: Hall, size: int, share: int
) -> None:
    with Pool(size) as pool:
        lane = pool.lane("a")
        submit(lane, hall, "a", size)
        aside(lane, hall, "c", size)
        submit(lane, hall, "probe", size)
        hall.let_go("a")

        assert hall.holds(c=share, probe=size - share)
        hall.let_go("c", "probe")


def test_what_waited_when_a_call_aside_ended_goes_before_the_next(hall: Hall) -> None:
    begun: list[str] = []
    with Pool(1) as pool:
        lane = pool.lane("a")
        aside(lane, hall, "a", 1)
        for name in "xy":
            lane.submit_as(name, partial(begun.append, name), aside=True)
        for name in "bc":
            lane.submit_as(name, partial(begun.append, name))
        hall.let_go("a")

    assert begun == ["b", "c", "x", "y"]


def test_a_pool_names_who_waits_but_for_those_aside(hall: Hall) -> None:
    with Pool(1) as pool:
        lane = pool.lane("a")
        submit(lane, hall, "a", 1)
        calls = [lane.submit_as(name, partial(hall.enter, "a"), aside=name == "y") for name in "xyz"]

        assert pool.waiting() == ["x", "z"]
        hall.let_go("a")
    assert all(call.done() for call in calls)


def test_a_call_that_raises_gives_its_thread_back() -> None:
    with Pool(2) as pool:
        a = pool.lane("a")
        pool.lane("b")
        for _ in range(10):
            assert isinstance(a.submit(divmod, 1, 0).exception(SOON), ZeroDivisionError)


def test_shutdown_waits_for_all_that_was_submitted(hall: Hall) -> None:
    with Pool(2) as pool:
        polls = submit(pool.lane("a"), hall, "a", 5)
        threading.Timer(0.05, hall.let_go, ["a"]).start()

    assert all(poll.done() for poll in polls)


def test_nothing_is_taken_after_shutdown() -> None:
    pool = Pool(1)
    lane = pool.lane("a")
    pool.shutdown()

    with pytest.raises(RuntimeError, match="shut down"):
        lane.submit(divmod, 7, 2)


def test_no_thread_is_made_before_it_is_needed() -> None:
    before = threading.active_count()
    with Pool(100) as pool:
        settle(pool.lane("a"))
        assert threading.active_count() <= before + 2


def test_a_thread_ends_when_there_is_nothing_to_do() -> None:
    before = threading.active_count()
    with Pool(1) as pool:
        settle(pool.lane("a"))

        wait_until(lambda: threading.active_count() <= before, "the end of the thread")


@pytest.mark.timeout(10)
def test_a_call_for_which_no_thread_can_be_had_fails_and_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = Shortage(monkeypatch, of_sessions)
    with Pool(2) as pool:
        lane = pool.lane("a")
        failed = [lane.submit(divmod, 7, 2) for _ in range(3)]
        threads.left = 1
        settle(lane)

    for call in failed:
        with pytest.raises(NoThread, match="can't start new thread") as caught:
            call.result()
        assert "TasksMax=" in caught.value.remedy


@pytest.mark.timeout(30)
def test_a_lane_whose_call_was_refused_a_thread_is_in_no_other_lanes_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = Shortage(monkeypatch, of_sessions)
    with Pool(2) as pool:
        refused, other = pool.lane("a"), pool.lane("b")
        failed = refused.submit(divmod, 7, 2)
        threads.left = 1

        assert other.submit(divmod, 7, 2).result(SOON) == (3, 1)

    assert isinstance(failed.exception(), NoThread)


@pytest.mark.timeout(30)
def test_where_threads_run_short_those_at_work_do_what_waits(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    Shortage(monkeypatch, of_sessions, left=2)
    with Pool(8) as pool:
        a, b = pool.lane("a"), pool.lane("b")
        calls = submit(a, hall, "a", 5) + submit(b, hall, "b", 5)
        assert hall.holds(a=2)
        hall.let_go("a", "b")

    assert [call.result() for call in calls] == ["a"] * 5 + ["b"] * 5


@pytest.mark.timeout(30)
def test_when_threads_are_to_be_had_again_all_that_waits_begins(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = Shortage(monkeypatch, of_sessions, left=1)
    with Pool(4) as pool:
        lane = pool.lane("a")
        submit(lane, hall, "a", 1)
        submit(lane, hall, "b", 4)
        threads.left = 3
        hall.let_go("a")

        assert hall.holds(b=4)
        hall.let_go("b")


@pytest.mark.timeout(30)
def test_that_threads_run_short_is_said_once_until_they_are_to_be_had_again(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = Shortage(monkeypatch, of_sessions, left=1)
    with capture_logs() as logs, Pool(4) as pool:
        lane = pool.lane("a")
        submit(lane, hall, "a", 3)
        assert [line["event"] for line in logs] == [events.THREADS_SHORT]
        threads.left = 3
        submit(lane, hall, "a", 1)
        assert hall.holds(a=4)
        hall.let_go("a")
        wait_until(lambda: not pool._held, "the end of all")
        threads.left = 1
        submit(lane, hall, "b", 3)
        hall.let_go("b")

    assert [line["event"] for line in logs] == [events.THREADS_SHORT] * 2
    assert logs[0]["at_work"] == 1
    assert "TasksMax=" in logs[0]["remedy"]


def test_a_pool_that_grows_begins_what_waits(hall: Hall) -> None:
    with Pool(1) as pool:
        calls = submit(pool.lane("a"), hall, "a", 3)
        assert hall.holds(a=1)
        pool.resize(2)
        assert hall.holds(a=2)
        hall.let_go("a")
        assert [call.result(SOON) for call in calls] == ["a"] * 3


def test_a_pool_that_shrinks_ends_nothing_and_begins_no_more_than_its_size(hall: Hall) -> None:
    with Pool(3) as pool:
        running = submit(pool.lane("a"), hall, "a", 3)
        assert hall.holds(a=3)
        pool.resize(1)
        waiting = submit(pool.lane("a"), hall, "b", 2)
        assert hall.holds(a=3, b=0)
        hall.let_go("a")
        assert [call.result(SOON) for call in running] == ["a"] * 3
        assert hall.holds(b=1)
        hall.let_go("b")
        assert [call.result(SOON) for call in waiting] == ["b"] * 2


def test_a_lane_that_is_closed_leaves_all_threads_to_the_only_one_and_loses_nothing(hall: Hall) -> None:
    with Pool(4) as pool:
        first, second = pool.lane("a"), pool.lane("b")
        submit(first, hall, "a", 4)
        assert hall.holds(a=2)
        last = submit(second, hall, "b", 3)
        assert hall.holds(a=2, b=1)
        pool.close_lane("b")
        assert hall.holds(a=3, b=1)
        hall.let_go("a", "b")
        assert [call.result(SOON) for call in last] == ["b"] * 3
