"""Recovery: what an interrupted poll left is finished or removed before anything new happens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mailsluice.errors import LedgerError
from mailsluice.ledger.messages import Messages
from mailsluice.model import State, Stored
from mailsluice.sink.durable import DurableBatch
from mailsluice.sink.hold import Hold
from session.world import ONE, TWO, World


def interrupt(world: World, monkeypatch: pytest.MonkeyPatch, owner: type, step: str) -> None:
    """Poll, and be interrupted in place of this step."""

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, die)
        with pytest.raises(KeyboardInterrupt):
            world.poll()


def test_what_was_recorded_is_published_before_the_server_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE, TWO)
    interrupt(world, monkeypatch, DurableBatch, "publish")
    assert world.stored() == []
    world.credentials.available = False

    assert world.outcome() == ("token-unavailable", 75)

    assert world.stored() == [ONE, TWO]
    states = {known.state for known in world.ledger.messages.known(world.mailbox.key).values()}
    assert states == {State.STORED}
    (note,) = world.logged("rolled forward")
    assert len(note["names"]) == 2


def test_what_was_published_is_committed_though_a_consumer_took_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE)
    interrupt(world, monkeypatch, Messages, "commit")
    (eml,) = (world.home / "sink").glob("*.eml")
    eml.unlink()

    world.poll()

    assert world.stored() == []
    assert world.server.count("RETR u1") == 1
    assert world.server.mail == {}


def test_what_was_not_recorded_is_swept_and_fetched_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE)
    interrupt(world, monkeypatch, Messages, "record")
    assert len(world.staged()) == 2

    world.poll()

    assert world.stored() == [ONE]
    assert world.staged() == []
    assert world.server.count("RETR u1") == 2
    (note,) = world.logged("staging swept")
    assert note["messages"] == 1


def test_what_was_recorded_is_finished_where_it_was_staged_though_the_sink_is_another_now(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE)
    interrupt(world, monkeypatch, DurableBatch, "publish")
    world.configure(sink={"kind": "spool", "path": str(world.home / "other")})
    world.deliver(TWO)

    assert world.outcome() == ("ok", 0)

    assert world.stored() == [ONE]
    assert world.stored("other") == [TWO]
    assert world.staged() == []
    (note,) = world.logged("rolled forward")
    assert note["sink"] == f"spool:{world.home}/sink"


def test_two_sinks_are_both_finished(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deliver(ONE)
    interrupt(world, monkeypatch, DurableBatch, "publish")
    world.configure(sink={"kind": "maildir", "path": str(world.home / "maildir")})
    world.poll()
    world.configure()
    world.deliver(TWO)
    interrupt(world, monkeypatch, DurableBatch, "publish")

    world.poll()

    assert world.stored() == [ONE, TWO]
    assert world.server.mail == {}


def test_a_sink_that_is_gone_stops_the_poll_before_the_server_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE)
    interrupt(world, monkeypatch, DurableBatch, "publish")
    (world.home / "sink").rename(world.home / "unmounted")
    world.server.said.clear()

    assert world.outcome() == ("sink-refused", 73)
    assert world.server.said == []

    (world.home / "unmounted").rename(world.home / "sink")
    assert world.outcome() == ("ok", 0)
    assert world.stored() == [ONE]


def test_a_commit_that_fails_in_recovery_is_made_at_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise LedgerError("disk full")

    world.deliver(ONE)
    interrupt(world, monkeypatch, DurableBatch, "publish")
    with monkeypatch.context() as patch:
        patch.setattr(Messages, "commit", full)
        assert world.outcome() == ("ledger-error", 73)
    assert world.stored() == [ONE]

    assert world.outcome() == ("ok", 0)
    assert world.stored() == [ONE]
    assert world.server.mail == {}


def test_what_recovery_commits_is_forgotten_only_then(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deliver(ONE, TWO)
    interrupt(world, monkeypatch, DurableBatch, "publish")
    forgotten: list[bytes] = []

    def forget(_: Hold, stored: Sequence[Stored]) -> None:
        known = world.ledger.messages.known(world.mailbox.key)
        assert all(known[each.uidl].state is State.STORED for each in stored)
        forgotten.extend(each.uidl for each in stored)

    monkeypatch.setattr(Hold, "forget", forget)
    world.poll()
    assert forgotten == [b"u1", b"u2"]


def test_where_nothing_was_interrupted_nothing_is_said(world: World) -> None:
    world.deliver(ONE)
    world.poll()
    world.poll()
    assert [entry["event"] for entry in world.log] == ["session", "session"]


def test_what_can_be_seen_was_published_though_another_had_the_directory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE)
    interrupt(world, monkeypatch, Messages, "commit")
    with world.context.open_sink(world.mailbox).hold(None):
        pass  # the claim has another token now

    assert world.outcome() == ("ok", 0)

    assert world.stored() == [ONE]
