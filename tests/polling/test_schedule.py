"""The timetable: intervals, cron lines, delays after failures, and clocks that are set."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs

from mailsluice.clock import SystemClock
from mailsluice.config.models import Mailbox, SpoolSink
from mailsluice.errors import NoThread
from mailsluice.obs import events
from mailsluice.polling.schedule import CronTrigger, IntervalTrigger, Schedule, phase
from support.shortage import Shortage, of_sessions
from support.waiting import wait_until

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 6, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SOON = 20.0


class SetClock:
    """A clock that can be set, as an administrator sets one."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead

    def monotonic(self) -> float:
        return SystemClock().monotonic()


def mailbox(name: str = "m", **keys: object) -> Mailbox:
    sink = SpoolSink.model_validate({"path": "/spool"})
    common = {"name": name, "address": "m@x.example", "credential": "c", "host": "localhost", "sink": sink}
    return Mailbox.model_validate({**common, **keys})


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def schedule(clock: SetClock) -> Iterator[Schedule]:
    schedule = Schedule(2, clock)
    yield schedule
    schedule.stop()


def test_an_interval_is_a_grid_that_does_not_drift() -> None:
    trigger = IntervalTrigger(MINUTE, 0.5)

    first = trigger.get_next_fire_time(None, NOW)
    second = trigger.get_next_fire_time(first, first + timedelta(seconds=59))

    assert first == datetime(2026, 6, 1, 12, 1, 30, tzinfo=UTC)
    assert second == first + MINUTE


def test_a_point_of_the_grid_is_never_followed_by_itself() -> None:
    due = NOW
    for number in range(1000):
        trigger = IntervalTrigger(MINUTE, phase(f"mailbox-{number}"))
        due = trigger.get_next_fire_time(None, due)

        assert trigger.get_next_fire_time(None, due) == due + MINUTE


def test_years_of_missed_polls_are_one_poll() -> None:
    later = NOW + timedelta(days=3650)

    due = IntervalTrigger(MINUTE, 0.0).get_next_fire_time(NOW, later)

    assert later < due <= later + MINUTE


def test_a_cron_line_is_read_in_local_time_and_as_debians_cron_reads_it() -> None:
    due = CronTrigger("30 6 * * 0", BERLIN).get_next_fire_time(None, NOW)

    assert due > NOW
    assert (due.hour, due.minute, due.isoweekday()) == (6, 30, 7)
    assert due.utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize(
    ("day", "due"),
    [("2026-03-28", "2026-03-29T06:00:00+02:00"), ("2026-10-24", "2026-10-25T06:00:00+01:00")],
)
def test_a_cron_line_keeps_its_hour_when_daylight_saving_begins_and_ends(day: str, due: str) -> None:
    evening = datetime.fromisoformat(f"{day}T20:00:00+01:00")

    assert CronTrigger("0 6 * * *", BERLIN).get_next_fire_time(None, evening) == datetime.fromisoformat(due)


def test_mailboxes_polled_at_the_same_interval_are_spread_over_it() -> None:
    phases = sorted(phase(f"mailbox-{n}") for n in range(1000))

    assert all(abs(phases[n] - n / 1000) < 0.06 for n in range(1000))


def test_a_mailbox_is_polled_again_and_again(schedule: Schedule) -> None:
    third = threading.Event()
    times: list[None] = []

    def job() -> None:
        times.append(None)
        if len(times) == 3:
            third.set()

    schedule.add(mailbox(every="1s"), job)
    schedule.start()

    assert third.wait(SOON)


def test_one_mailbox_is_never_polled_twice_at_once(schedule: Schedule) -> None:
    inside = threading.Semaphore(1)
    overlaps: list[None] = []
    release = threading.Event()
    other = threading.Event()

    def slow() -> None:
        if not inside.acquire(blocking=False):
            overlaps.append(None)
        release.wait(SOON)
        inside.release()

    polled: list[None] = []

    def witness() -> None:
        polled.append(None)
        if len(polled) == 3:
            other.set()

    schedule.add(mailbox("slow", every="1s"), slow)
    schedule.add(mailbox("witness", every="1s"), witness)
    schedule.start()

    assert other.wait(SOON)
    release.set()
    schedule.stop()
    assert not overlaps


def test_no_more_sessions_than_max_sessions_run_at_once(schedule: Schedule) -> None:
    running = threading.Semaphore(2)
    excess: list[None] = []
    gate = threading.Barrier(3)

    def job() -> None:
        if not running.acquire(blocking=False):
            excess.append(None)
        with suppress(threading.BrokenBarrierError):
            gate.wait(SOON)
        running.release()

    for n in range(4):
        schedule.add(mailbox(f"m{n}", every="1s"), job)
    schedule.start()
    gate.wait(SOON)
    gate.wait(SOON)
    gate.abort()

    assert not excess


def test_a_poll_can_be_put_off(schedule: Schedule, clock: SetClock) -> None:
    schedule.add(mailbox(every="1s"), lambda: None)
    schedule.start()

    schedule.postpone("m", timedelta(hours=1))

    due = schedule.next_poll("m")
    assert due is not None
    assert timedelta(minutes=59) < due - clock.now() <= timedelta(hours=1)


def test_a_poll_put_off_never_comes_sooner_than_usual(schedule: Schedule) -> None:
    schedule.add(mailbox(cron="0 0 1 1 *"), lambda: None)
    schedule.start()
    usual = schedule.next_poll("m")

    schedule.postpone("m", timedelta(minutes=15))

    assert schedule.next_poll("m") == usual


def test_no_delay_moves_no_poll(schedule: Schedule, clock: SetClock) -> None:
    schedule.add(mailbox(every="1h"), lambda: None)
    usual = schedule.next_poll("m")

    clock.ahead = timedelta(days=1)
    schedule.postpone("m", timedelta())

    assert schedule.next_poll("m") == usual


def test_a_poll_whose_time_has_come_is_put_off_to_a_moment_and_not_to_its_next_time(
    schedule: Schedule, clock: SetClock
) -> None:
    schedule.add(mailbox(cron="0 0 1 1 *"), lambda: None)
    schedule.start()

    schedule.set_due("m", timedelta(minutes=5))

    due = schedule.next_poll("m")
    assert due is not None
    assert timedelta(minutes=4) < due - clock.now() <= timedelta(minutes=5)


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(days=3650), timedelta(days=-3650)])
def test_when_the_clock_is_set_polls_go_on_within_one_interval(
    schedule: Schedule, clock: SetClock, step: timedelta
) -> None:
    schedule.add(mailbox(every="1h"), lambda: None)
    schedule.start()

    clock.ahead = step
    was_set = schedule.follow_clock()

    assert was_set
    due = schedule.next_poll("m")
    assert due is not None
    assert timedelta() < due - clock.now() <= timedelta(hours=1)


def test_a_poll_timed_by_the_new_clock_already_is_not_moved_along_with_it(
    schedule: Schedule, clock: SetClock
) -> None:
    schedule.add(mailbox(every="1h"), lambda: None)
    schedule.start()

    clock.ahead = timedelta(hours=5)
    schedule.postpone("m", timedelta(minutes=5))
    schedule.follow_clock()

    due = schedule.next_poll("m")
    assert due is not None
    assert timedelta() < due - clock.now() <= timedelta(hours=1)


def test_when_the_clock_is_set_a_cron_line_keeps_its_hour(schedule: Schedule, clock: SetClock) -> None:
    schedule.add(mailbox(cron="0 6 * * *"), lambda: None)
    schedule.start()

    clock.ahead = timedelta(minutes=30)
    schedule.follow_clock()

    due = schedule.next_poll("m")
    assert due is not None
    assert (due.hour, due.minute) == (6, 0)


def test_a_clock_that_only_drifts_changes_nothing(schedule: Schedule, clock: SetClock) -> None:
    schedule.add(mailbox(every="1h"), lambda: None)
    schedule.start()
    before = schedule.next_poll("m")

    clock.ahead = timedelta(seconds=1)
    was_set = schedule.follow_clock()

    assert not was_set
    assert schedule.next_poll("m") == before


def test_stop_waits_for_the_poll_that_runs(schedule: Schedule) -> None:
    entered, leave, left = threading.Event(), threading.Event(), threading.Event()

    def job() -> None:
        entered.set()
        leave.wait(SOON)
        left.set()

    schedule.add(mailbox(every="1s"), job)
    schedule.start()
    entered.wait(SOON)
    threading.Timer(0.05, leave.set).start()
    schedule.stop()

    assert left.is_set()
    assert not schedule.alive


@pytest.mark.timeout(30)
def test_stop_waits_for_the_poll_that_runs_even_if_the_timetable_has_died(
    schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, leave, left = threading.Event(), threading.Event(), threading.Event()

    def job() -> None:
        entered.set()
        leave.wait(SOON)
        left.set()

    def die() -> None:
        raise MemoryError

    schedule.add(mailbox(every="1s"), job)
    schedule.start()
    entered.wait(SOON)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(schedule._scheduler, "_process_jobs", die)
    schedule._scheduler.wakeup()
    wait_until(lambda: not schedule.alive, "the death of the timetable")
    threading.Timer(0.05, leave.set).start()
    schedule.stop()

    assert left.is_set()


@pytest.mark.timeout(30)
def test_a_mailbox_for_which_no_thread_can_be_had_is_polled_at_its_next_time(
    schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = Shortage(monkeypatch, of_sessions)
    polled = threading.Event()
    schedule.add(mailbox(every="1s"), polled.set)

    with capture_logs() as logs:
        schedule.start()
        wait_until(lambda: len(logs) >= 2, "two polls left out")
        assert not polled.is_set()
        threads.left = 1
        assert polled.wait(SOON)

    assert {(line["event"], line["mailbox"]) for line in logs} == {(events.POLL_LEFT_OUT, "m")}
    assert "can't start new thread" in logs[0]["error"]
    assert "TasksMax=" in logs[0]["remedy"]


def test_a_timetable_for_which_no_thread_can_be_had_says_what_helps(
    schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    Shortage(monkeypatch, lambda thread: thread.name == "schedule")

    with pytest.raises(NoThread, match="can't start new thread") as caught:
        schedule.start()

    assert "TasksMax=" in caught.value.remedy


def test_a_cron_line_is_read_in_the_zone_that_is_told(schedule: Schedule, clock: SetClock) -> None:
    due = schedule.add(mailbox(cron="30 6 * * *"), lambda: None, BERLIN)
    local = due.astimezone(BERLIN)
    assert (local.hour, local.minute) == (6, 30)
