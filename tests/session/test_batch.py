"""A batch: what shares its syncs, in which order things happen, and what a failure on the way leaves."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest

from mailsluice.errors import SinkError
from mailsluice.files.new_file import NewFile
from mailsluice.ledger.messages import Messages
from mailsluice.model import MailboxKey, Staged
from mailsluice.sink.durable import DurableBatch
from mailsluice.sink.hold import Hold
from session.world import ONE, THREE, TWO, World


@pytest.fixture
def noted(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said to the server, and in between the durable steps as they are done."""

    def note(owner: type, name: str) -> None:
        real: Callable[..., object] = getattr(owner, name)

        def noting(*args: object, **keys: object) -> object:
            done = real(*args, **keys)
            world.server.said.append(name)
            return done

        monkeypatch.setattr(owner, name, noting)

    for owner, name in (
        (DurableBatch, "stage"),
        (Messages, "record"),
        (DurableBatch, "publish"),
        (Messages, "commit"),
        (Hold, "forget"),
    ):
        note(owner, name)
    return world.server.said


def test_a_message_is_deleted_only_after_it_is_staged_recorded_published_committed_and_forgotten(
    world: World, noted: list[str]
) -> None:
    world.deliver(ONE, TWO)
    world.poll()
    steps = ["stage", "record", "publish", "commit", "forget"]
    assert noted[noted.index("RETR u1") :] == ["RETR u1", "RETR u2", *steps, "DELE u1", "DELE u2", "QUIT"]


def test_each_batch_is_finished_and_deleted_before_the_next_is_received(
    world: World, noted: list[str], small_batches: None
) -> None:
    world.deliver(ONE, TWO, THREE)
    world.poll()
    finish = ["stage", "record", "publish", "commit", "forget"]
    first = ["RETR u1", "RETR u2", *finish, "DELE u1", "DELE u2"]
    assert noted[noted.index("RETR u1") :] == [*first, "RETR u3", *finish, "DELE u3", "QUIT"]


def test_a_batch_that_cannot_be_finished_ends_the_session_and_is_finished_by_the_next(
    world: World, small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise SinkError("no room")

    world.deliver(ONE, TWO, THREE)
    with monkeypatch.context() as patch:
        patch.setattr(DurableBatch, "publish", fail)
        assert world.outcome() == ("sink-error", 73)
    assert len(world.server.mail) == 3
    assert world.server.count("DELE u1") == world.server.count("QUIT") == 0
    assert world.outcome() == ("ok", 0)
    assert world.stored() == [ONE, TWO, THREE]
    assert world.staged() == []


def test_when_the_connection_breaks_the_full_batch_before_is_stored_and_stays_on_the_server(
    world: World, small_batches: None
) -> None:
    world.deliver(ONE, TWO, THREE)
    world.server.cut = {b"u3"}
    assert world.outcome()[0] == "connection-lost"
    assert world.stored() == [ONE, TWO]
    assert len(world.server.mail) == 3
    assert world.outcome() == ("ok", 0)
    assert world.stored() == [ONE, TWO, THREE]
    assert world.server.mail == {}


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages were in each batch."""
    counts: list[int] = []
    record = Messages.record

    def counting(self: Messages, key: MailboxKey, staged: Sequence[Staged], sink: str, now: datetime) -> None:
        counts.append(len(staged))
        record(self, key, staged, sink, now)

    monkeypatch.setattr(Messages, "record", counting)
    return counts


def test_a_batch_ends_after_two_seconds_so_that_what_has_come_is_soon_to_be_seen(
    world: World, batches: list[int]
) -> None:
    world.server.on_retrieved = lambda _: world.clock.advance(timedelta(seconds=1.5))
    world.deliver(ONE, TWO, THREE)
    world.poll()
    assert batches == [2, 1]


def test_nothing_to_fetch_is_no_batch(world: World, batches: list[int]) -> None:
    world.poll()
    assert batches == []


def test_a_batch_ends_by_count_and_the_first_ones_early_for_little_room_may_be_left(
    world: World, batches: list[int]
) -> None:
    world.deliver(*[ONE] * (64 + 128 + 256 + 512 + 1))
    world.poll()
    assert batches == [64, 128, 256, 512, 1]


def test_a_batch_ends_once_it_has_its_octets(
    world: World, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailsluice.session.batch.OCTETS", len(ONE) + 1)
    world.deliver(*[ONE] * 3)
    world.poll()
    assert batches == [2, 1]


def test_a_message_that_is_to_stay_is_never_deleted(world: World, noted: list[str]) -> None:
    world.configure(leave_on_server=True)
    world.deliver(ONE)
    world.poll()
    assert noted[-3:] == ["commit", "forget", "QUIT"]


@pytest.mark.parametrize("step", ["stage", "record", "publish", "commit", "forget"])
def test_whatever_step_fails_nothing_is_deleted(
    world: World, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(step)

    owner = {"stage": DurableBatch, "publish": DurableBatch, "forget": Hold}.get(step, Messages)
    world.deliver(ONE)
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, fail)
        assert world.outcome() == ("bug", 70)
    assert world.server.mail == {b"u1": ONE}
    world.poll()
    assert world.stored() == [ONE]
    assert world.server.mail == {}


def test_a_message_the_server_will_not_hand_out_does_not_stop_the_others(world: World) -> None:
    world.deliver(ONE, TWO, THREE)
    world.server.refused = {b"u2"}

    polled = world.poll()

    assert world.stored() == [ONE, THREE]
    assert world.server.mail == {b"u2": TWO}
    assert (polled.report.outcome, polled.exit_code) == ("messages-refused", 75)
    assert polled.report.waiting == 1
    (warning,) = world.logged("message refused")
    assert (warning["uidl"], warning["reply"]) == ("u2", "not this one")


def test_a_refused_message_is_asked_for_again_at_the_next_poll(world: World) -> None:
    world.deliver(ONE)
    world.server.refused = {b"u1"}
    world.poll()
    world.server.refused = set()
    assert world.outcome() == ("ok", 0)
    assert world.stored() == [ONE]


def test_a_message_that_turns_out_too_large_ends_the_session_once_and_blocks_nothing(world: World) -> None:
    big = b"0123456789abcdef" * 100
    world.configure(max_message="1KiB")
    world.deliver(ONE, big, THREE)
    world.server.sizes = {b"u2": 10}

    first, second, third = world.outcome(), world.outcome(), world.outcome()

    assert first == ("message-too-large", 0)
    assert second == third == ("ok", 0)
    (report,) = world.logged("message oversize")
    assert report["uidl"] == "u2"
    assert report["octets"] > 1024
    assert world.server.count("RETR u2") == 1
    assert world.stored() == [ONE, THREE]
    assert world.server.mail == {b"u2": big}
    assert world.staged() == []


def test_what_was_whole_when_the_connection_broke_is_stored_and_the_rest_comes_next_time(
    world: World,
) -> None:
    world.deliver(ONE, TWO, THREE)
    world.server.cut = {b"u2"}

    assert world.outcome() == ("connection-lost", 75)
    assert world.stored() == [ONE]
    assert world.staged() == []

    assert world.outcome() == ("ok", 0)
    assert world.stored() == [ONE, THREE, TWO]
    assert world.server.count("RETR u1") == 1
    assert world.server.mail == {}


def test_what_was_whole_when_the_disk_filled_up_is_stored_and_the_rest_comes_next_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(fd: int, octets: bytes) -> int:
        if bytes(octets).startswith(TWO[:11]):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, octets)

    real = os.write
    world.deliver(ONE, TWO, THREE)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        assert world.outcome() == ("sink-error", 73)
    assert world.stored() == [ONE]
    assert world.staged() == []
    assert world.server.mail == {b"u1": ONE, b"u2": TWO, b"u3": THREE}

    assert world.outcome() == ("ok", 0)
    assert world.stored() == [ONE, TWO, THREE]
    assert world.server.count("RETR u1") == 1
    assert world.server.mail == {}


def test_a_batch_that_came_to_nothing_writes_nothing(world: World, noted: list[str]) -> None:
    world.deliver(ONE)
    world.server.refused = {b"u1"}
    world.poll()
    assert world.ledger.messages.known(world.mailbox.key) == {}
    assert world.stored() == []


def test_a_sync_that_fails_in_the_middle_of_a_batch_is_what_is_reported(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(*[ONE] * 40)

    def broken(_self: NewFile) -> None:
        raise SinkError("mail.eml: Input/output error", remedy="look at the disk")

    monkeypatch.setattr(NewFile, "sync", broken)
    report = world.poll().report

    assert report.outcome == "sink-error"
    assert "Input/output error" in report.detail
    assert "look at the disk" in report.detail
