"""The order of a check, what it shares among mailboxes, and the minute that each of them has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from auth.hand_clock import HandClock
from mailsluice.checking import means as limits
from mailsluice.checking.means import DEADLINES, PROVIDER_WAIT, SERVER_WAIT, TOKEN_WAIT, WHOLE, Means
from mailsluice.checking.opening import Opened
from mailsluice.checking.reach import Reached
from mailsluice.checking.run import check
from mailsluice.checking.steps import State, Step
from mailsluice.checking.way_in import WayIn
from mailsluice.config.models import Mailbox
from mailsluice.diagnosis.facts import Door, Facts
from mailsluice.errors import DeadlineExceeded
from mailsluice.model import BearerToken
from mailsluice_sandbox import Fault, Sandbox, Silence
from support.checks import line, loaded, means_of
from support.interrupting import interrupt_after
from support.program import PATIENCE
from support.waiting import wait_until

MINUTE = 60.0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        for name in "abc":
            sandbox.mailbox(f"{name}@acme.example")
        yield sandbox


@pytest.fixture
def means(sandbox: Sandbox, tmp_path: Path) -> Means:
    return means_of(loaded(tmp_path, sandbox, "a", "b", "c"))


def boxes(means: Means) -> list[Mailbox]:
    return list(means.config.mailboxes.values())


def test_what_mailboxes_share_is_tried_once(sandbox: Sandbox, means: Means) -> None:
    before = sandbox.entra.token_requests

    found = check(boxes(means), means)

    assert [one.mailbox.name for one in found] == ["a", "b", "c"]
    assert sandbox.entra.token_requests == before + 1
    assert line(means, Step.TOKEN).state is State.OK
    assert line(means, Step.CAPA).state is State.OK
    assert sum(line.step is Step.STAT for line in means.journal.lines) == 3


def test_nothing_is_kept(means: Means) -> None:
    check(boxes(means), means)
    assert not means.config.service.state_dir.exists()


@pytest.fixture
def slow(means: Means, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Every part takes the seconds that stand here, and notes how many the mailbox had left."""
    clock = HandClock()
    taken: dict[str, Any] = {"clock": clock, "way_in": 0.0, "server": 0.0, "mailbox": 0.0, "left": []}

    def way_in(*_: object) -> WayIn:
        clock.seconds += taken["way_in"]
        return WayIn(Facts(), BearerToken("canary"))

    def server(*_: object) -> Reached:
        clock.seconds += taken["server"]
        return Reached()

    def mailbox(_box: Mailbox, _login: object, means: Means) -> Opened:
        taken["left"].append(means.deadlines.session)
        clock.seconds += taken["mailbox"]
        return Opened()

    def doors(_doors: object, _box: Mailbox, _login: object, means: Means) -> dict[Door, None]:
        taken["left"].append(means.deadlines.session)
        return {}

    for name, work in (("way_in", way_in), ("server", server), ("mailbox", mailbox), ("doors", doors)):
        monkeypatch.setattr(f"mailsluice.checking.run.try_{name}", work)
    return taken


def timed(means: Means, slow: dict[str, Any]) -> Means:
    """The same means, by the clock of these parts."""
    return replace(means_of(means.config, clock=slow["clock"]), clock=slow["clock"])


def test_a_mailbox_has_what_its_token_and_its_server_have_left(means: Means, slow: dict[str, Any]) -> None:
    slow.update(way_in=20.0, server=5.0)
    check(boxes(means)[:1], timed(means, slow))
    assert slow["left"] == [WHOLE - 25]


def test_a_file_system_that_does_not_answer_costs_the_mailbox_its_time(
    means: Means, slow: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sink(*_: object) -> None:
        slow["clock"].seconds += 20.0

    monkeypatch.setattr("mailsluice.checking.run.try_sink", sink)
    check(boxes(means)[:1], timed(means, slow))
    assert slow["left"] == [WHOLE - 20]


def test_mailboxes_that_wait_for_their_turn_lose_no_time_by_it(means: Means, slow: dict[str, Any]) -> None:
    slow.update(way_in=20.0, mailbox=0.0)
    check(boxes(means), timed(means, slow))
    assert slow["left"] == [WHOLE - 20] * 3


def test_a_mailbox_without_time_is_no_verdict(means: Means, slow: dict[str, Any]) -> None:
    slow.update(way_in=50.0)
    means = timed(means, slow)

    (found,) = check(boxes(means)[:1], means)

    assert slow["left"] == []
    assert isinstance(found.error, DeadlineExceeded)
    assert found.is_cut_short
    assert "took 50 of the 55 s" in line(means, Step.CONNECT).detail
    assert line(means, Step.CONNECT).state is State.NO_ANSWER


def test_doors_share_what_the_mailbox_has_left(means: Means, slow: dict[str, Any]) -> None:
    slow.update(mailbox=30.0)
    check(boxes(means)[:1], timed(means, slow), [Door.IMAP, Door.SMTP])
    assert slow["left"] == [WHOLE, (WHOLE - 30) / 2]


def test_no_door_is_tried_while_the_daemon_polls(means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailsluice.checking.run.try_mailbox", lambda *_: Opened(is_polled=True))
    (found,) = check(boxes(means)[:1], means, [Door.IMAP])
    assert (found.error, found.is_polled) == (None, True)
    assert line(means, Step.IMAP).state is State.LEFT_OUT


def test_a_door_without_time_is_no_verdict(means: Means, slow: dict[str, Any]) -> None:
    slow.update(mailbox=50.0)
    means = timed(means, slow)
    (found,) = check(boxes(means)[:1], means, [Door.SMTP])
    assert (found.step, found.is_cut_short) == (Step.SMTP, True)


def test_the_deadlines_of_all_steps_together_fit_in_a_minute() -> None:
    before = PROVIDER_WAIT + TOKEN_WAIT + SERVER_WAIT
    assert before + DEADLINES.connect <= WHOLE < MINUTE
    assert DEADLINES.connect < min(PROVIDER_WAIT, SERVER_WAIT)  # else a firewall would not be seen as one
    assert limits.DEADLINES.session == WHOLE


def test_ctrl_c_ends_a_check_while_a_server_is_silent(sandbox: Sandbox, means: Means) -> None:
    armed = sandbox.faults.add(Fault("AUTH", Silence()))

    class Impatient:
        def began(self, _subject: str, step: Step) -> None:
            if step is Step.AUTH:
                interrupt_after(armed.wait)

        def ended(self, _line: object) -> None:
            pass

    means = means_of(means.config, watcher=Impatient())
    begun = monotonic()
    with pytest.raises(KeyboardInterrupt):
        check(boxes(means)[:1], means)
    assert monotonic() - begun < PATIENCE
    wait_until(lambda: len(means.connections) == 0, "the connections are closed")
    armed.release()


def test_a_bug_in_a_thread_is_raised_and_cuts_the_others(
    means: Means, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("mailsluice.checking.run.try_mailbox", fail)
    with pytest.raises(ZeroDivisionError):
        check(boxes(means), means)


def test_a_reader_who_has_gone_ends_the_check(means: Means) -> None:
    class Gone:
        def began(self, _subject: str, _step: Step) -> None:
            raise BrokenPipeError

        def ended(self, _line: object) -> None:
            raise AssertionError("nobody is told any more")

    means = means_of(means.config, watcher=Gone())
    with pytest.raises(BrokenPipeError):
        check(boxes(means), means)
    assert not [line for line in means.journal.lines if line.state is State.FAILED]
