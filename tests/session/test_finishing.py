"""Finishing: one batch in a thread of its own."""

from __future__ import annotations

import threading

import pytest

from mailsluice.errors import SinkError
from mailsluice.model import DeletePermit
from mailsluice.session.finishing import Finishing

PERMITS = (DeletePermit(b"a"),)


def test_a_batch_is_finished_in_a_thread_of_its_own() -> None:
    threads = []

    def finish() -> tuple[DeletePermit, ...]:
        threads.append(threading.current_thread())
        return PERMITS

    finishing = Finishing()
    finishing.begin(finish)
    assert finishing.wait() == PERMITS
    assert len(threads) == 1
    assert threads != [threading.current_thread()]


def test_the_permits_are_given_once() -> None:
    finishing = Finishing()
    assert finishing.wait() == ()
    finishing.begin(lambda: PERMITS)
    assert (finishing.wait(), finishing.wait()) == (PERMITS, ())


def test_who_waits_waits_for_its_end() -> None:
    go_on = threading.Event()
    timer = threading.Timer(0.05, go_on.set)
    finishing = Finishing()
    finishing.begin(lambda: PERMITS if go_on.wait(10) else ())
    timer.start()
    assert finishing.wait() == PERMITS
    timer.join()


@pytest.mark.parametrize("error", [SinkError("no"), RuntimeError("no"), KeyboardInterrupt("no")])
def test_what_went_wrong_is_raised_once_in_who_waits(error: BaseException) -> None:
    def fail() -> tuple[DeletePermit, ...]:
        raise error

    finishing = Finishing()
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
    finishing = Finishing()
    finishing.begin(lambda: PERMITS)
    assert finishing.wait() == PERMITS
