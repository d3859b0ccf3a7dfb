"""The crash table, row by row and call by call, with the real flow, real sinks and a real ledger.

Only the server, the login and the time are simulated.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from mailsluice.config.models import MaildirSink
from mailsluice.errors import SinkError
from mailsluice.ledger.database import Database
from mailsluice.ledger.messages import Messages
from sink.disk import Crash, disk_under
from sink.world import MAIL, World
from support.staging import staged_in, staging_of

KINDS = pytest.mark.parametrize("kind", ["spool", "maildir"])
ONCE = [1, 1]
RECORD, COMMIT = 4, 5
"""The commits of a first poll: where it stages, the listing, what is recorded, what is committed."""


@pytest.fixture(params=[64, 1], ids=["one batch", "two batches"])
def batches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two messages in one batch, or each in its own."""
    monkeypatch.setattr("mailsluice.session.batch.FIRST", request.param)
    monkeypatch.setattr("mailsluice.session.batch.MESSAGES", request.param)


@pytest.fixture(params=["spool", "maildir"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(tmp_path, request.param)


def file_system_calls(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> int:
    (tmp_path / "count").mkdir()
    world = World(tmp_path / "count", kind)
    with disk_under(monkeypatch, world.disk_root) as disk:
        world.poll()
    return disk.count


@pytest.mark.slow
@pytest.mark.usefixtures("batches")
@KINDS
@pytest.mark.parametrize("consumer", ["waits", "takes at once"])
def test_rows_0_to_5_a_kill_at_any_file_system_call_leaves_each_message_stored_once(
    tmp_path: Path, kind: str, consumer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, file_system_calls(tmp_path, kind, monkeypatch) + 1):
        home = tmp_path / f"{number}"
        home.mkdir()
        world = World(home, kind)
        with disk_under(monkeypatch, world.disk_root) as disk:
            if consumer == "takes at once":
                disk.after_rename = world.consume
            disk.crash_at(number)
            with pytest.raises(Crash):
                world.poll()
        world.consume()
        world.recover()
        assert world.copies() == ONCE, f"killed at call {number}: {disk.calls[-3:]}"


@pytest.mark.slow
@pytest.mark.usefixtures("batches")
@KINDS
def test_rows_0_to_5_a_power_cut_at_any_call_leaves_each_message_stored_once(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, file_system_calls(tmp_path, kind, monkeypatch) + 1):
        home = tmp_path / f"{number}"
        home.mkdir()
        world = World(home, kind)
        with disk_under(monkeypatch, world.disk_root) as disk:
            disk.crash_at(number)
            with pytest.raises(Crash):
                world.poll()
            disk.cut_power()
        world.recover()
        assert world.copies() == ONCE, f"power cut at call {number}: {disk.calls[-3:]}"


@pytest.mark.slow
@pytest.mark.usefixtures("batches")
@KINDS
def test_rows_0_to_7_what_a_restart_after_a_kill_at_any_call_completes_survives_a_later_power_cut(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, file_system_calls(tmp_path, kind, monkeypatch) + 1):
        home = tmp_path / f"{number}"
        home.mkdir()
        world = World(home, kind)
        with disk_under(monkeypatch, world.disk_root) as disk:
            disk.crash_at(number)
            with pytest.raises(Crash):
                world.poll()
            disk.crash_at(None)
            world.poll()
            disk.cut_power()
        world.recover()
        assert world.copies() == ONCE, f"killed at call {number}, then a poll, then a power cut"


@pytest.mark.slow
@pytest.mark.usefixtures("batches")
def test_rows_4a_and_4b_a_kill_at_any_call_after_a_scanner_took_a_message_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Messages.record
    for number in range(1, file_system_calls(tmp_path, "spool", monkeypatch) + 1):
        home = tmp_path / f"{number}"
        home.mkdir()
        world = World(home, "spool")

        def recording(*args: Any, world: World = world) -> None:
            record(*args)
            for path in staged_in(world.place):
                if b"two" in path.read_bytes():
                    path.unlink()

        with disk_under(monkeypatch, world.disk_root) as disk, monkeypatch.context() as patch:
            patch.setattr(Messages, "record", recording)
            disk.crash_at(number)
            with suppress(Crash):
                world.poll()
        world.consume()
        world.recover()
        assert world.copies() == ONCE, f"killed at call {number}: {disk.calls[-3:]}"


@pytest.mark.slow
@KINDS
def test_row_4_a_power_cut_after_a_consumer_was_quicker_than_the_sync_gives_twice_never_nothing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 0
    for number in range(1, file_system_calls(tmp_path, kind, monkeypatch) + 1):
        home = tmp_path / f"{number}"
        home.mkdir()
        world = World(home, kind)
        with disk_under(monkeypatch, world.disk_root) as disk:
            disk.after_rename = world.consume
            disk.crash_at(number)
            with pytest.raises(Crash):
                world.poll()
            disk.cut_power()
        world.recover()
        assert all(1 <= copies <= 2 for copies in world.copies())
        most = max(most, *world.copies())
    assert most == 2, "the undecidable case did not happen"


@pytest.mark.slow
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["open", "write", "fsync", "fchmod", "mkdir", "rename"])
def test_any_file_system_call_that_fails_is_reported_and_the_next_poll_makes_good(
    tmp_path: Path, call: str, error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for nth in range(1, 100):
        home = tmp_path / f"{nth}"
        home.mkdir()
        world = World(home, "spool")
        with disk_under(monkeypatch, world.disk_root) as disk:
            disk.takes_modes = True
            disk.fail(call, error, nth=nth)
            failure = failure_of(world)
        if failure is None:
            break
        assert str(world.disk_root) in str(failure)
        assert failure.remedy
        world.consume()
        world.recover()
        assert world.copies() == ONCE, f"{call} number {nth}"
    assert nth > 2


def failure_of(world: World) -> SinkError | None:
    try:
        world.poll()
    except SinkError as failure:
        return failure
    return None


@contextmanager
def dying_at_commit(monkeypatch: pytest.MonkeyPatch, number: int, *, after: bool) -> Iterator[list[int]]:
    """Kill the process just before, or just after, the ledger's commit of this number."""
    seen: list[int] = []
    writing = Database.writing

    @contextmanager
    def dying(self: Database) -> Iterator[object]:
        seen.append(1)
        with writing(self) as connection:
            yield connection
            if len(seen) == number and not after:
                raise Crash
        if len(seen) == number:
            raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(Database, "writing", dying)
        yield seen


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("row", "number"), [(3, RECORD), (5, COMMIT)])
def test_rows_2_to_6_a_kill_around_a_commit_of_the_ledger(
    world: World, row: int, number: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dying_at_commit(monkeypatch, number, after=after), pytest.raises(Crash):
        world.poll()
    if row == 3:
        assert len(world.staged()) in {2, 4}
    world.consume()
    world.recover()
    assert world.copies() == ONCE


def test_row_6_no_answer_to_quit_is_settled_by_the_next_listing(world: World) -> None:
    keep = dict(world.server.mail)
    world.poll()
    world.server.mail = keep
    world.consume()
    world.recover()
    assert world.copies() == ONCE


def test_row_3_recovery_finishes_at_the_sink_the_message_was_staged_in_though_the_configuration_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, "spool")
    with dying_at_commit(monkeypatch, RECORD, after=True), pytest.raises(Crash):
        world.poll()
    world.mailbox = world.mailbox.model_copy(update={"sink": MaildirSink(path=world.disk_root / "other")})
    world.poll()
    world.consume()
    assert world.copies() == ONCE
    assert list((world.disk_root / "other").glob("new/*")) == []


def test_row_2_what_was_not_recorded_is_swept_from_a_former_sink_where_a_row_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, "spool")
    with dying_at_commit(monkeypatch, RECORD, after=True), pytest.raises(Crash):
        world.poll()
    owner = staging_of(world.place)
    (owner / "leftover.eml").touch()
    world.mailbox = world.mailbox.model_copy(update={"sink": MaildirSink(path=world.disk_root / "other")})
    world.poll()
    assert world.staged() == []


def test_row_3_a_sink_that_is_not_mounted_proves_nothing_and_is_an_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dying_at_commit(monkeypatch, RECORD, after=True), pytest.raises(Crash):
        world.poll()
    mounted = world.place.rename(world.disk_root / "elsewhere")
    world.place.mkdir()
    with pytest.raises(SinkError, match="claim file is gone"):
        world.poll()
    assert world.server.mail == MAIL
    world.place.rmdir()
    mounted.rename(world.place)
    world.recover()
    assert world.copies() == ONCE
