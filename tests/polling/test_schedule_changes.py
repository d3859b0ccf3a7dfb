"""The timetable while mailboxes come and go."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from mailsluice.clock import SystemClock
from mailsluice.config.models import Mailbox, SpoolSink
from mailsluice.polling.schedule import Schedule
from support.waiting import wait_until

SOON = 20.0


def mailbox(name: str = "m", **keys: object) -> Mailbox:
    sink = SpoolSink.model_validate({"path": "/spool"})
    common = {"name": name, "address": "m@x.example", "credential": "c", "host": "localhost", "sink": sink}
    return Mailbox.model_validate({**common, **keys})


@pytest.fixture
def schedule() -> Iterator[Schedule]:
    schedule = Schedule(2, SystemClock())
    yield schedule
    schedule.stop()


def test_a_mailbox_that_is_removed_is_polled_no_more_and_another_of_its_name_is(schedule: Schedule) -> None:
    old: list[None] = []
    new = threading.Event()
    schedule.add(mailbox(every="1s"), lambda: old.append(None))
    schedule.start()
    schedule.remove("m")
    assert schedule.next_poll("m") is None
    before = len(old)

    schedule.add(mailbox(every="1s"), new.set)

    assert new.wait(SOON)
    assert len(old) <= before + 1  # one may have begun already


def test_another_of_its_name_is_polled_while_a_poll_of_the_removed_one_runs(schedule: Schedule) -> None:
    entered, leave, new = threading.Event(), threading.Event(), threading.Event()

    def hang() -> None:
        entered.set()
        leave.wait(SOON)

    schedule.add(mailbox("other", every="1h"), lambda: None)
    schedule.add(mailbox(every="1s"), hang)
    schedule.start()
    assert entered.wait(SOON)
    schedule.remove("m")
    schedule.add(mailbox(every="1s"), new.set)

    assert new.wait(SOON)
    leave.set()


def test_a_credential_whose_last_mailbox_is_removed_shares_no_sessions_any_more(schedule: Schedule) -> None:
    together = threading.Barrier(3)

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):
            together.wait(SOON)

    schedule.add(mailbox("gone", every="1s", credential="other"), lambda: None)
    schedule.start()
    schedule.remove("gone")
    for name in ("a", "b"):
        schedule.add(mailbox(name, every="1s"), meet)

    wait_until(lambda: together.n_waiting == 2, "both sessions are those of one credential")
    together.abort()


def test_a_timetable_that_is_resized_has_more_sessions_at_once() -> None:
    schedule = Schedule(1, SystemClock())
    together = threading.Barrier(3)

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):
            together.wait(SOON)

    try:
        for name in ("a", "b"):
            schedule.add(mailbox(name, every="1s"), meet)
        schedule.start()
        wait_until(lambda: together.n_waiting == 1, "the first")
        schedule.resize(2)
        wait_until(lambda: together.n_waiting == 2, "the second beside it")
    finally:
        together.abort()
        schedule.stop()
