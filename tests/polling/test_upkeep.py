from __future__ import annotations

import threading

import structlog

from mailsluice.errors import LedgerError
from mailsluice.obs import events
from mailsluice.polling.upkeep import Upkeep


def test_it_works_in_a_thread_of_its_own_when_it_is_due() -> None:
    done: list[str] = []
    upkeep = Upkeep(lambda: not done, lambda: done.append(threading.current_thread().name))
    for _ in range(3):
        upkeep.tend()
        upkeep.join()
    assert done == ["upkeep"]


def test_one_run_at_a_time() -> None:
    begun, go = threading.Semaphore(0), threading.Event()

    def work() -> None:
        begun.release()
        assert go.wait(20)

    upkeep = Upkeep(lambda: True, work)
    upkeep.tend()
    assert begun.acquire(timeout=20)
    upkeep.tend()
    assert not begun.acquire(blocking=False)
    go.set()
    upkeep.join()


def test_what_fails_is_said_and_ends_nothing() -> None:
    def fail() -> None:
        raise LedgerError("disk full", remedy="free space")

    upkeep = Upkeep(lambda: True, fail)
    with structlog.testing.capture_logs() as log:
        upkeep.run_if_due()
        upkeep.tend()
        upkeep.join()
    assert [entry["event"] for entry in log] == [events.NOT_TIDIED] * 2
    assert log[0]["remedy"] == "free space"


def test_a_bug_is_said_and_ends_nothing() -> None:
    def stumble() -> None:
        raise KeyError

    upkeep = Upkeep(lambda: True, stumble)
    with structlog.testing.capture_logs() as log:
        upkeep.run_if_due()
    assert [entry["event"] for entry in log] == [events.BUG]


def test_where_nobody_can_tell_whether_it_is_due_it_is_not() -> None:
    def unknown() -> bool:
        raise LedgerError("no ledger")

    upkeep = Upkeep(unknown, lambda: None)
    upkeep.tend()
    upkeep.run_if_due()
    upkeep.join()
