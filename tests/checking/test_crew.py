"""The threads of a check: what ends them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from mailsluice.checking.crew import Crew
from mailsluice.errors import NoThread
from support.interrupting import interrupt
from support.program import PATIENCE
from support.shortage import Shortage


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """What a thread hangs on, until the test is over."""
    event = threading.Event()
    yield event
    event.set()


def of_the_crew(thread: threading.Thread) -> bool:
    return thread.name == "check"


def test_results_come_in_the_order_of_the_items() -> None:
    first = threading.Event()

    def work(number: int) -> int:
        if number == 1:
            first.wait()
        else:
            first.set()
        return number * 10

    assert Crew(2).each(work, [1, 2]) == [10, 20]


def test_no_more_than_its_size_are_at_work() -> None:
    lock, at_work, most = threading.Lock(), 0, 0
    both = threading.Barrier(2)

    def work(_: int) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        both.wait()
        with lock:
            at_work -= 1

    Crew(2).each(work, range(8))
    assert most == 2


def test_a_bug_in_one_thread_is_raised_while_another_hangs(hanging: threading.Event) -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 0:
            hanging.wait()
        if number == 1:
            raise ZeroDivisionError
        done.append(number)

    crew = Crew(2)
    with pytest.raises(ZeroDivisionError):
        crew.each(work, [0, 1, 2, 3])
    hanging.set()
    crew.end()
    assert not {2, 3} & set(done)


def test_an_interrupt_ends_the_wait_for_a_thread_that_hangs(hanging: threading.Event) -> None:
    crew = Crew(1)

    def work(_: int) -> None:
        interrupt()
        hanging.wait()

    begun = monotonic()
    with pytest.raises(KeyboardInterrupt):
        crew.each(work, [0])
    crew.end()
    assert monotonic() - begun < PATIENCE


def test_no_thread_keeps_the_program_alive() -> None:
    daemons: list[bool] = []
    Crew(1).each(lambda _: daemons.append(threading.current_thread().daemon), [0])
    assert daemons == [True]


def test_a_system_without_threads_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    Shortage(monkeypatch, of_the_crew)
    with pytest.raises(NoThread) as caught:
        Crew(2).each(str, [1])
    assert "ulimit -u" in caught.value.remedy


def test_if_one_thread_can_be_started_it_does_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    Shortage(monkeypatch, of_the_crew, left=1)
    assert Crew(4).each(str, [1, 2, 3]) == ["1", "2", "3"]


def test_nothing_is_nothing() -> None:
    assert Crew(2).each(str, []) == []
