"""Several sessions of one poll, and a staging directory that goes away under them."""

from __future__ import annotations

import shutil
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import pytest

from mailsluice.ledger.messages import Messages
from mailsluice.session.fetch import _Extra
from mailsluice.sink.place import Place
from session.test_takeover import letter
from session.world import World

WAIT = 10.0


def letters(count: int) -> list[bytes]:
    return [letter(n % 60, by=f"s{n // 60}") for n in range(count)]


@pytest.fixture
def two(world: World) -> World:
    """A mailbox with two connections, whose sink is in use."""
    world.configure(connections=2)
    world.deliver(letter(59, by="first"))
    assert world.outcome() == ("ok", 0)
    return world


def test_rows_of_a_directory_that_went_away_are_not_proved_by_the_one_in_its_stead(
    two: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = letters(200)
    two.deliver(*sent)
    first, second, gone = (threading.Event() for _ in range(3))
    help_, record, moved = _Extra._help, Messages.record, Place._moved

    def helping(self: _Extra) -> None:
        assert first.wait(WAIT)
        assert gone.wait(WAIT)
        help_(self)

    def recording(self: Messages, *args: object) -> None:
        record(self, *args)  # type: ignore[arg-type]
        (second if threading.current_thread().name == "session" else first).set()

    def moving(self: Place, message: object) -> bool:
        if not gone.is_set():
            shutil.rmtree(two.home / "sink" / ".staging")
            gone.set()
            assert second.wait(WAIT)
        return moved(self, message)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(_Extra, "_help", helping)
        patch.setattr(Messages, "record", recording)
        patch.setattr(Place, "_moved", moving)
        two.poll()
    for _ in range(2):
        two.poll()

    there = {*two.stored(), *two.server.mail.values()}
    assert [message for message in sent if message not in there] == []


def once(two: World, happens: Callable[[], object]) -> Callable[[bytes], None]:
    """Called as messages come in both sessions: it happens once, when some are stored."""
    left = deque([happens])

    def come(_: bytes) -> None:
        if sum(1 for _ in (two.home / "sink").glob("*.eml")) > 60:
            with suppress(IndexError):
                left.popleft()()

    return come


def test_a_sink_that_was_moved_away_under_two_sessions_is_no_bug(two: World) -> None:
    two.deliver(*letters(400))
    two.server.on_retrieved = once(two, lambda: (two.home / "sink").rename(two.home / "sink.1"))
    assert two.outcome() == ("sink-refused", 73)
    assert two.logged("bug") == []


def test_a_directory_taken_anew_by_one_session_is_no_strangers_to_the_other(two: World) -> None:
    sent = letters(300)
    two.deliver(*sent)
    staging = two.home / "sink" / ".staging"
    two.server.on_retrieved = once(two, lambda: shutil.rmtree(staging, ignore_errors=True))
    outcomes = {two.outcome()[0] for _ in range(3)}
    assert outcomes <= {"messages-removed", "sink-error", "ok"}
    assert sorted(two.stored()[1:]) == sorted(sent)
