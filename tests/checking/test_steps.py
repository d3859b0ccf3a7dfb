"""What is noted of a step, and who is told."""

from __future__ import annotations

import pytest

from auth.hand_clock import HandClock
from mailsluice.checking.steps import Journal, Line, State, Step, Unwatched, state_of
from mailsluice.errors import (
    ConnectionLost,
    DeadlineExceeded,
    Obstacle,
    Phase,
    ServerUnreachable,
    Stopped,
    TokenUnavailable,
)


class Told:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.began_with: list[Step] = []
        self.lines: list[Line] = []

    def began(self, _subject: str, step: Step) -> None:
        self.began_with.append(step)

    def ended(self, line: Line) -> None:
        self.lines.append(line)


class Gone(Told):
    """Its reader has gone."""

    def ended(self, line: Line) -> None:
        super().ended(line)
        raise BrokenPipeError


def test_a_step_is_told_when_it_begins_and_with_its_seconds_when_it_ends() -> None:
    clock, told = HandClock(), Told()
    journal = Journal(clock, told)

    with journal.step("a", Step.AUTH) as note:
        assert told.began_with == [Step.AUTH]
        clock.seconds += 1.5
        note.say("let in")

    assert told.lines == [Line("a", Step.AUTH, State.OK, 1.5, "let in")]
    assert journal.lines == (told.lines[0],)


def test_an_error_of_a_step_is_noted_and_goes_on_its_way() -> None:
    journal = Journal(HandClock(), Unwatched())

    with pytest.raises(ConnectionLost), journal.step("a", Step.AUTH):
        raise ConnectionLost("lost", phase=Phase.AUTH)

    assert [(line.state, line.detail) for line in journal.lines] == [(State.FAILED, "lost")]


def test_a_doubt_is_no_failure() -> None:
    journal = Journal(HandClock(), Unwatched())
    with journal.step("a", Step.CAPA) as note:
        note.doubt("odd")
    assert journal.lines[0].state is State.DOUBT


@pytest.mark.parametrize(
    "error",
    [
        DeadlineExceeded("", phase=Phase.AUTH),
        Stopped(""),
        DeadlineExceeded("", phase=Phase.TLS, obstacle=Obstacle.SILENT),
        TokenUnavailable("", obstacle=Obstacle.SILENT),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_was_cut_short_is_no_failure(error: DeadlineExceeded | Stopped | TokenUnavailable) -> None:
    assert state_of(error) is State.NO_ANSWER


def test_packets_that_are_dropped_for_so_long_are_a_failure() -> None:
    dropped = ServerUnreachable("", phase=Phase.CONNECT, obstacle=Obstacle.DROPPED)
    assert state_of(dropped) is State.FAILED


def test_a_watcher_whose_reader_has_gone_disturbs_no_step_and_whoever_waits_hears_of_it() -> None:
    told = Gone()
    journal = Journal(HandClock(), told)
    journal.heard()
    journal.leave_out("a", Step.AUTH, "no token")
    journal.leave_out("b", Step.AUTH, "no token")

    assert len(told.lines) == 1
    assert len(journal.lines) == 2
    with pytest.raises(BrokenPipeError):
        journal.heard()


def test_nobody_is_told_after_the_end() -> None:
    told = Told()
    journal = Journal(HandClock(), told)
    journal.close()
    journal.leave_out("a", Step.AUTH, "no token")
    assert told.lines == []
