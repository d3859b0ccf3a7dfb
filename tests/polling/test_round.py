"""One round: who is polled at once, who again, and who not at all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from mailsluice.clock import SystemClock
from mailsluice.config.models import Mailbox
from mailsluice.errors import NoThread
from mailsluice.net.connections import Connections
from mailsluice.outcome import Answer
from mailsluice.polling import round as round_
from mailsluice.polling.round import Round
from mailsluice.session.counts import Counts, Polled
from support.shortage import Shortage, of_sessions

SOON = 20.0
CLOCK = SystemClock()


def mailbox(name: str, credential: str = "acme") -> Mailbox:
    usual = {"name": name, "address": f"{name}@x.example", "credential": credential, "host": "here"}
    return Mailbox.model_validate({**usual, "sink": {"kind": "spool", "path": "/spool"}, "every": "1m"})


def went(name: str, answer: Answer = Answer.GIVEN) -> Polled:
    return replace(Counts(name, CLOCK).polled(), answer=answer)


def round_of(
    poll: Callable[[Mailbox], Polled], look: Callable[[], None] = lambda: None, *, max_sessions: int = 16
) -> Round[Polled]:
    return Round(poll, look, max_sessions=max_sessions, connections=Connections(), clock=CLOCK)


def test_how_each_went_is_told_in_their_order() -> None:
    names = [f"box{number}" for number in range(20)]

    polls = round_of(lambda box: went(box.name)).run([mailbox(name) for name in names])

    assert [polled.result().report.mailbox for polled in polls] == names


def test_who_gave_way_is_polled_once_more_after_all_others() -> None:
    polled: list[str] = []

    def poll(box: Mailbox) -> Polled:
        polled.append(box.name)
        is_first = polled.count("hangs") == 1
        return went(box.name, Answer.NOT_AWAITED if box.name == "hangs" and is_first else Answer.GIVEN)

    round_of(poll, max_sessions=1).run([mailbox("hangs"), mailbox("a"), mailbox("b")])

    assert polled == ["hangs", "a", "b", "hangs"]


def test_who_gives_way_again_is_left_till_the_next_round() -> None:
    polled: Counter[str] = Counter()

    def poll(box: Mailbox) -> Polled:
        polled[box.name] += 1
        return went(box.name, Answer.NOT_AWAITED)

    round_of(poll).run([mailbox("hangs")])

    assert polled == {"hangs": 2}


def test_no_credential_takes_all_sessions() -> None:
    served = threading.Event()

    def poll(box: Mailbox) -> Polled:
        if box.credential == "other":
            served.set()
        assert served.wait(SOON)
        return went(box.name)

    boxes = [*(mailbox(f"box{number}") for number in range(4)), mailbox("last", "other")]
    polls = round_of(poll, max_sessions=2).run(boxes)

    assert all(polled.result().served for polled in polls)


def test_no_more_mailboxes_are_polled_at_once_than_max_sessions() -> None:
    at_once = threading.Semaphore(2)
    both = threading.Barrier(2)

    def poll(box: Mailbox) -> Polled:
        assert at_once.acquire(blocking=False)
        both.wait(SOON)
        at_once.release()
        return went(box.name)

    polls = round_of(poll, max_sessions=2).run([mailbox(f"box{number}") for number in range(4)])

    assert all(polled.result().served for polled in polls)


def test_somebody_looks_around_while_polls_go_on_and_when_they_are_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(round_, "_LOOK_AROUND", 0.01)
    looked: list[bool] = []
    seen, done = threading.Event(), threading.Event()

    def look() -> None:
        looked.append(done.is_set())
        seen.set()

    def poll(box: Mailbox) -> Polled:
        assert seen.wait(SOON)
        done.set()
        return went(box.name)

    round_of(poll, look).run([mailbox("a")])

    assert looked[0] is False
    assert looked[-1] is True


def test_who_has_no_thread_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    Shortage(monkeypatch, of_sessions)

    (polled,) = round_of(lambda box: went(box.name)).run([mailbox("a")])

    with pytest.raises(NoThread):
        polled.result()
