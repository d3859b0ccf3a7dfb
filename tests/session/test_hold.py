"""A poll and its sink on days when nothing crashes: other programs, other disks, other ledgers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mailsluice.ledger.ledger import Ledger
from mailsluice.ledger.messages import Messages
from mailsluice.model import State
from mailsluice.obs import events
from mailsluice.session import recovery
from mailsluice.session.feeding import adopt
from mailsluice.session.recovery import forget
from mailsluice.sink.durable import DurableBatch
from session.world import ONE, THREE, TWO, World, die, interrupted
from support.staging import remove_locks, staged_in, staging_of


@pytest.fixture(params=["spool", "maildir"])
def world(request: pytest.FixtureRequest, world: World) -> World:
    """One whose mailbox has each kind of sink in turn."""
    world.configure(sink={"kind": request.param, "path": str(world.home / "sink")})
    return world


def sink(world: World) -> Path:
    return world.home / "sink"


def stored(world: World, folder: str = "sink") -> list[bytes]:
    """What a consumer finds, with the line ends of the server."""
    place = world.home / folder
    found = [*place.glob("*.eml"), *place.glob("new/*")]
    octets = [path.read_bytes().replace(b"\r\n", b"\n") for path in sorted(found)]
    return [message.replace(b"\n", b"\r\n") for message in octets]


def states(world: World) -> list[State]:
    return [row.state for row in world.ledger.messages.known(world.mailbox.key).values()]


def after(monkeypatch: pytest.MonkeyPatch, owner: type, step: str, happens: Callable[[], None]) -> None:
    """Something happens each time after this step."""
    real: Callable[..., object] = getattr(owner, step)

    def stepping(*args: object, **keys: object) -> object:
        done = real(*args, **keys)
        happens()
        return done

    monkeypatch.setattr(owner, step, stepping)


def take_second(world: World) -> Callable[[], None]:
    """A virus scanner removes the files of the second message."""

    def take() -> None:
        for path in staged_in(sink(world)):
            if b"message 2" in path.read_bytes():
                path.unlink()

    return take


@pytest.mark.parametrize(
    ("owner", "step"), [(DurableBatch, "add"), (DurableBatch, "stage"), (Messages, "record")]
)
def test_a_message_that_a_scanner_removes_from_staging_is_not_deleted_and_comes_again(
    world: World, owner: type, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE, TWO, THREE)
    with monkeypatch.context() as patch:
        after(patch, owner, step, take_second(world))
        outcome = world.outcome()

    assert outcome == ("messages-removed", 75)
    assert stored(world) == [ONE, THREE]
    assert world.server.mail == {b"u2": TWO}
    (event,) = world.logged(events.MESSAGE_REMOVED)
    assert event["uidl"] == "u2"
    assert event["remedy"]

    assert world.outcome() == ("ok", 0)
    assert sorted(stored(world)) == [ONE, TWO, THREE]
    assert world.server.mail == {}


def test_a_message_that_is_removed_three_times_is_held_and_the_rest_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE, TWO)
    with monkeypatch.context() as patch:
        after(patch, DurableBatch, "stage", take_second(world))
        outcomes = [world.outcome()[0] for _ in range(4)]

    assert outcomes == ["messages-removed"] * 3 + ["ok"]
    (held,) = world.logged(events.MESSAGE_QUARANTINED)
    assert held["error"] == "removed from staging by another program"
    assert world.server.mail == {b"u2": TWO}
    world.deliver(THREE)
    assert world.outcome() == ("ok", 0)
    assert stored(world) == [ONE, THREE]


def test_a_program_that_takes_all_of_many_sets_none_of_them_aside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [b"Subject: %d\r\n\r\nmessage 2\r\n" % n for n in range(25)]
    world.deliver(*sent)
    with monkeypatch.context() as patch:
        after(patch, DurableBatch, "stage", take_second(world))
        outcomes = [world.outcome()[0] for _ in range(4)]

    assert outcomes == ["messages-removed"] * 4
    named = world.logged(events.MESSAGE_REMOVED)[:21]
    assert named[-1]["more"] == 5
    assert world.outcome() == ("ok", 0)
    assert sorted(stored(world)) == sorted(sent)


@pytest.mark.parametrize("way", ["renamed away", "staging removed"])
def test_a_poll_whose_sink_is_taken_under_it_takes_its_rows_back_and_goes_on(
    world: World, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailsluice.session.batch.FIRST", 1)
    monkeypatch.setattr("mailsluice.session.batch.MESSAGES", 1)
    world.deliver(ONE, TWO, THREE)
    happened = iter([True])

    def take() -> None:
        if not next(happened, False):
            return
        if way == "renamed away":
            sink(world).rename(world.home / "taken")
            sink(world).mkdir()
        else:
            shutil.rmtree(staging_of(sink(world)).parent)

    with monkeypatch.context() as patch:
        after(patch, Messages, "record", take)
        assert world.outcome() == ("messages-removed", 75)

    assert stored(world) == [TWO, THREE]
    assert world.server.mail == {b"u1": ONE}
    assert world.outcome() == ("ok", 0)
    assert sorted(stored(world)) == [ONE, TWO, THREE]
    assert world.ledger.failures.read(world.mailbox.key) == {}


def test_staging_that_is_removed_while_a_batch_comes_costs_that_batch_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailsluice.session.batch.FIRST", 2)
    world.deliver(ONE, TWO, THREE)
    happened = iter([True])

    def remove() -> None:
        if next(happened, False):
            shutil.rmtree(staging_of(sink(world)))

    with monkeypatch.context() as patch:
        after(patch, DurableBatch, "add", remove)
        polled = world.poll()

    assert (polled.report.outcome, polled.exit_code) == ("messages-removed", 75)
    assert "removed 2 messages" in polled.report.detail
    assert stored(world) == [THREE]
    assert world.outcome() == ("ok", 0)
    assert sorted(stored(world)) == [ONE, TWO, THREE]


def test_who_loses_the_staging_directory_ends_before_it_commits_or_deletes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE)
    second = World(world.home, world.ledger, world.clock)
    second.mailbox, second.server.mail = world.mailbox, {}

    def lose() -> None:
        remove_locks(sink(world))
        second.context.open_sink(second.mailbox).hold(None).__enter__()

    with monkeypatch.context() as patch:
        after(patch, DurableBatch, "publish", lose)
        assert world.outcome() == ("staging-lost", 75)

    assert world.server.mail == {b"u1": ONE}
    assert world.server.count("DELE u1") == 0


def test_a_sink_that_is_missing_is_refused_until_it_is_there_and_nothing_is_made(world: World) -> None:
    world.deliver(ONE)
    world.poll()
    sink(world).rename(world.home / "unmounted")
    world.deliver(TWO)

    polled = world.poll()

    assert (polled.report.outcome, polled.exit_code) == ("sink-refused", 73)
    assert "mount" in polled.report.detail
    assert not sink(world).exists()
    (world.home / "unmounted").rename(sink(world))
    assert world.outcome() == ("ok", 0)
    assert stored(world) == [ONE, TWO]


def test_a_spool_that_was_made_anew_goes_on_with_one_line(world: World) -> None:
    world.deliver(ONE)
    world.poll()
    sink(world).rename(world.home / "spool.1")
    sink(world).mkdir()
    world.deliver(TWO)

    assert [world.outcome() for _ in range(3)] == [("ok", 0)] * 3

    assert stored(world) == [TWO]
    assert len(world.logged(events.SINK_MADE_ANEW)) == 1


def test_another_ledger_of_a_mailbox_that_keeps_its_mail_is_refused(world: World, tmp_path: Path) -> None:
    world.configure(leave_on_server=True, sink=world.mailbox.sink.model_dump())
    world.deliver(ONE)
    world.poll()
    with Ledger(tmp_path / "another") as ledger:
        second = World(world.home, ledger, world.clock)
        second.mailbox, second.server = world.mailbox, world.server
        polled = second.poll()
        assert (polled.report.outcome, polled.exit_code) == ("sink-refused", 73)
        assert "sink adopt invoices" in polled.report.detail
        adopt(second.mailbox, second.context)
        assert second.outcome() == ("ok", 0)
    assert world.outcome() == ("sink-refused", 73)


def test_after_a_crash_staging_that_is_gone_stops_the_mailbox_until_it_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE)
    interrupted(world, monkeypatch)
    shutil.rmtree(staging_of(sink(world)).parent)

    polled = world.poll()

    assert (polled.report.outcome, polled.exit_code) == ("sink-refused", 73)
    assert "sink forget invoices" in polled.report.detail
    assert forget(world.mailbox, world.context) == 1
    assert world.outcome() == ("ok", 0)
    assert stored(world) == [ONE]


@pytest.mark.parametrize("leave", [False, True])
def test_what_was_half_done_when_another_ledger_took_the_sink_over_comes_again(
    world: World, tmp_path: Path, leave: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure(sink=world.mailbox.sink.model_dump(), leave_on_server=leave)
    world.deliver(ONE)
    interrupted(world, monkeypatch)
    ours = world.ledger
    with Ledger(tmp_path / "other", clock=world.clock) as other:
        world.ledger = other
        adopt(world.mailbox, world.context)
    world.ledger = ours
    polled = world.poll()
    assert "sink adopt invoices" in polled.report.detail

    adopt(world.mailbox, world.context)
    assert world.outcome() == ("ok", 0)

    assert stored(world) == [ONE]


def test_what_was_half_done_when_a_copy_of_the_ledger_took_the_sink_comes_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE)
    world.poll()
    world.ledger.reports.flush()
    shutil.copytree(world.home / "state", tmp_path / "copy")
    world.deliver(TWO)
    interrupted(world, monkeypatch)
    ours = world.ledger
    with Ledger(tmp_path / "copy", clock=world.clock) as copy:
        world.ledger = copy
        world.server.refused_login = "not from here"
        assert world.outcome() == ("login-refused", 77)
    world.ledger = ours
    world.server.refused_login = ""

    assert world.outcome() == ("ok", 0)

    assert stored(world) == [ONE, TWO]
    assert world.server.mail == {}


def test_an_adoption_that_was_not_needed_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE)
    with monkeypatch.context() as patch:
        patch.setattr(Messages, "commit", die)
        with pytest.raises(KeyboardInterrupt):
            world.poll()

    adopt(world.mailbox, world.context)
    assert world.outcome() == ("ok", 0)

    assert stored(world) == [ONE]


def test_what_can_be_seen_in_the_sink_does_not_come_again_when_staging_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE, TWO)
    with monkeypatch.context() as patch:
        patch.setattr(Messages, "commit", die)
        with pytest.raises(KeyboardInterrupt):
            world.poll()
    shutil.rmtree(staging_of(sink(world)).parent)
    world.deliver(THREE)

    assert forget(world.mailbox, world.context) == 0

    assert world.outcome() == ("ok", 0)
    assert stored(world) == [ONE, TWO, THREE]


def test_a_ledger_that_is_older_than_its_sink_says_so_and_takes_absence_for_no_proof(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE)
    interrupted(world, monkeypatch)
    with world.context.open_sink(world.mailbox).hold(None) as staging:
        staging.note(world.ledger.messages.commits(world.mailbox.key) + 5)
        staging.sweep()

    assert world.outcome() == ("ok", 0)

    assert stored(world) == [ONE]
    (event,) = world.logged(events.LEDGER_OLDER)
    assert event["missing"] == 5
    assert len(world.logged(events.TAKEN_BACK)) == 1
    world.poll()
    assert len(world.logged(events.LEDGER_OLDER)) == 1


def test_a_ledger_is_older_until_its_rows_are_settled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deliver(ONE)
    interrupted(world, monkeypatch)
    with world.context.open_sink(world.mailbox).hold(None) as staging:
        staging.note(world.ledger.messages.commits(world.mailbox.key) + 5)
        staging.sweep()
    with monkeypatch.context() as patch:
        patch.setattr(recovery, "_finish", die)
        with pytest.raises(KeyboardInterrupt):
            world.poll()

    assert world.outcome() == ("ok", 0)

    assert stored(world) == [ONE]


def test_what_an_older_ledger_knows_as_stored_is_asked_for_its_header_before_it_is_deleted(
    world: World,
) -> None:
    world.configure(leave_on_server=True, sink=world.mailbox.sink.model_dump())
    world.deliver(ONE)
    world.poll()
    with world.context.open_sink(world.mailbox).hold(None) as staging:
        staging.note(world.ledger.messages.commits(world.mailbox.key) + 5)
    world.server.mail[b"u1"] = TWO
    world.server.sizes[b"u1"] = len(ONE)

    world.poll()

    assert world.server.count("TOP u1") == 1
    assert stored(world) == [ONE, TWO]


def test_the_sink_is_told_of_each_commit(world: World) -> None:
    world.deliver(ONE)
    world.poll()
    known = world.ledger.stagings.known(world.mailbox.key, f"{world.mailbox.sink.kind}:{sink(world)}")
    assert known is not None
    with world.context.open_sink(world.mailbox).hold(known) as staging:
        assert 0 < staging.commits <= world.ledger.messages.commits(world.mailbox.key)
        assert states(world) == [State.STORED]
