"""Finishing: one batch in a thread of its own."""

from __future__ import annotations

import threading

import pytest

from mailsluice.errors import SinkError
from mailsluice.model import DeletePermit
from mailsluice.session.finishing import Finishing

PERMITS = (DeletePermit(b"a"),)


def begun() -> Finishing:
    """After its first batch."""
    finishing = Finishing()
    finishing.begin(tuple)
    assert finishing.wait() == ()
    return finishing


def test_the_first_batch_is_finished_at_once_and_each_other_in_a_thread_of_its_own() -> None:
    threads = []

    def finish() -> tuple[DeletePermit, ...]:
        threads.append(threading.current_thread())
        return PERMITS

    finishing = Finishing()
    for _ in range(2):
        finishing.begin(finish)
        assert finishing.wait() == PERMITS
    here = threading.current_thread()
    assert [thread is here for thread in threads] == [True, False]


def test_the_permits_are_given_once() -> None:
    finishing = Finishing()
    assert finishing.wait() == ()
    finishing.begin(lambda: PERMITS)
    assert (finishing.wait(), finishing.wait()) == (PERMITS, ())


def test_who_waits_waits_for_its_end() -> None:
    go_on = threading.Event()
    timer = threading.Timer(0.05, go_on.set)
    finishing = begun()
    timer.start()
    finishing.begin(lambda: PERMITS if go_on.wait(10) else ())
    assert finishing.wait() == PERMITS
    timer.join()


@pytest.mark.parametrize("error", [SinkError("no"), RuntimeError("no"), KeyboardInterrupt("no")])
def test_what_went_wrong_is_raised_once_in_who_waits(error: BaseException) -> None:
    def fail() -> tuple[DeletePermit, ...]:
        raise error

    finishing = begun()
    finishing.begin(fail)
    with pytest.raises(type(error), match="no"):
        finishing.wait()
    assert finishing.wait() == ()


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
def test_where_no_thread_can_be_had_it_is_finished_in_this_one(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise error

    monkeypatch.setattr(threading.Thread, "start", refuse)
    finishing = begun()
    finishing.begin(lambda: PERMITS)
    assert finishing.wait() == PERMITS
