"""Whether a poll can store mail, asked for the user who will run it."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from checking.meaning import means_of
from mailsluice.checking import sinks
from mailsluice.checking.sinks import look_at_sink, try_sink
from mailsluice.checking.steps import State
from mailsluice.config.models import Mailbox
from mailsluice.errors import LedgerError, NoThread, SinkError, SinkRefused
from mailsluice.ledger import Ledger
from mailsluice.system.users import user_name
from support.shortage import Shortage
from support.sinks import sinks_of
from support.users import NOBODY, given, unprivileged


def mailbox(sink: Path, kind: str = "spool", *, keeps: bool = False) -> Mailbox:
    return Mailbox.model_validate(
        {
            "name": "inv",
            "address": "a@b.example",
            "credential": "acme",
            "host": "pop.example",
            "sink": {"kind": kind, "path": str(sink)},
            "leave_on_server": keeps,
        }
    )


def poll(sink: Path, state_dir: Path, kind: str = "spool") -> None:
    """What a poll leaves in a sink and in the ledger."""
    box = mailbox(sink, kind)
    with Ledger(state_dir) as ledger:
        there = sinks_of(ledger, state_dir).open(box)
        with there.hold(ledger.stagings.known(box.key, there.spec)) as staging:
            ledger.stagings.note(box.key, staging.where)


@pytest.mark.parametrize("kind", ["spool", "maildir"])
def test_before_the_first_poll_the_sink_is_one_that_it_makes(
    tmp_path: Path, state_dir: Path, kind: str
) -> None:
    seen = look_at_sink(mailbox(tmp_path / "sink", kind), state_dir, None)

    assert (seen.is_there, seen.is_ours, seen.others) == (False, False, ())
    assert seen.room > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["spool", "maildir"])
def test_after_a_poll_the_sink_is_ours(tmp_path: Path, state_dir: Path, kind: str) -> None:
    poll(tmp_path / "sink", state_dir, kind)
    with Ledger(state_dir, read_only=True) as ledger:
        assert look_at_sink(mailbox(tmp_path / "sink", kind), state_dir, ledger).is_ours


def test_another_ledger_that_feeds_the_sink_is_told(tmp_path: Path, state_dir: Path) -> None:
    poll(tmp_path / "sink", tmp_path / "elsewhere")
    seen = look_at_sink(mailbox(tmp_path / "sink"), state_dir, None)

    assert not seen.is_ours
    assert [feeder.state_dir for feeder in seen.others] == [str(tmp_path / "elsewhere")]


def test_another_ledger_that_feeds_the_same_mail_is_refused(tmp_path: Path, state_dir: Path) -> None:
    poll(tmp_path / "sink", tmp_path / "elsewhere")
    with pytest.raises(SinkRefused, match="by another ledger already") as refused:
        look_at_sink(mailbox(tmp_path / "sink", keeps=True), state_dir, None)

    assert "sink adopt inv" in refused.value.remedy


def test_a_sink_that_is_not_mounted_any_more_is_refused(tmp_path: Path, state_dir: Path) -> None:
    poll(tmp_path / "sink", state_dir)
    (tmp_path / "sink").rename(tmp_path / "away")
    with (
        Ledger(state_dir, read_only=True) as ledger,
        pytest.raises(SinkRefused, match="missing, though mail was stored there before"),
    ):
        look_at_sink(mailbox(tmp_path / "sink"), state_dir, ledger)


def test_a_sink_of_our_own_without_the_right_to_write_is_refused(ground: Path) -> None:
    given(ground / "sink", NOBODY, 0o500)
    with (
        unprivileged(),
        pytest.raises(
            SinkError, match=f"the user {user_name(NOBODY)} may not write in {ground}/sink"
        ) as error,
    ):
        look_at_sink(mailbox(ground / "sink"), ground / "state", None)

    assert f"give the user that runs mailsluice, {user_name(NOBODY)}, permission" in error.value.remedy
    assert error.value.denied


def test_a_sink_that_only_our_group_may_write_is_fine(ground: Path) -> None:
    given(ground / "sink", 0, 0o775)  # `given` hands it to the group of nobody
    with unprivileged():
        assert look_at_sink(mailbox(ground / "sink"), ground / "state", None).is_there


class FileSystem:
    """What every file system says of itself, changed."""

    def __init__(self, **changes: int) -> None:
        self._changes = changes

    def __call__(self, path: Path) -> object:
        found = _statvfs(path)
        fields = {name: getattr(found, name) for name in dir(found) if name.startswith("f_")}
        return type("statvfs", (), fields | self._changes)


_statvfs = os.statvfs


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    return lambda **changes: monkeypatch.setattr(os, "statvfs", FileSystem(**changes))


@pytest.mark.parametrize("full", [{"f_bavail": 0, "f_bfree": 0}, {"f_files": 9, "f_ffree": 0, "f_favail": 0}])
def test_a_full_disk_is_an_error_with_the_remedy_of_a_poll(
    tmp_path: Path, state_dir: Path, told: Callable[..., None], full: dict[str, int]
) -> None:
    told(**full)
    with pytest.raises(SinkError, match="ENOSPC") as error:
        look_at_sink(mailbox(tmp_path / "sink"), state_dir, None)

    assert error.value.remedy == "free space or inodes on that file system (df, df -i)"


def test_what_is_reserved_for_root_is_no_room_for_others(ground: Path, told: Callable[..., None]) -> None:
    told(f_bavail=0)
    given(ground / "sink", NOBODY)
    with unprivileged(), pytest.raises(SinkError, match="ENOSPC"):
        look_at_sink(mailbox(ground / "sink"), ground / "state", None)


def test_a_file_system_that_counts_no_inodes_has_room(
    tmp_path: Path, state_dir: Path, told: Callable[..., None]
) -> None:
    told(f_files=0, f_ffree=0, f_favail=0)

    assert look_at_sink(mailbox(tmp_path / "sink"), state_dir, None).room


def test_a_file_system_that_is_mounted_read_only_is_named_as_such(
    tmp_path: Path, state_dir: Path, told: Callable[..., None]
) -> None:
    told(f_flag=os.ST_RDONLY)
    with pytest.raises(SinkError, match="EROFS") as error:
        look_at_sink(mailbox(tmp_path / "sink"), state_dir, None)

    assert error.value.remedy.startswith("mount the file system writable")


def test_a_file_system_that_fails_is_an_error(
    tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(_: Path) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(os, "statvfs", stale)
    with pytest.raises(SinkError, match="ESTALE") as error:
        look_at_sink(mailbox(tmp_path / "sink"), state_dir, None)

    assert error.value.remedy == "mount the network file system again"


def test_a_file_system_that_never_answers_is_waited_for_a_while_and_no_longer(
    tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()

    def hanging(path: Path) -> os.statvfs_result:
        answers.wait(20)
        return _statvfs(path)

    monkeypatch.setattr(os, "statvfs", hanging)
    monkeypatch.setattr(sinks, "SECONDS", 0.1)
    with pytest.raises(SinkError, match=r"sink does not answer: its file system said nothing for 0\.1 s"):
        look_at_sink(mailbox(tmp_path / "sink"), state_dir, None)
    answers.set()


def test_a_system_without_a_thread_to_spare_is_an_error(
    tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Shortage(monkeypatch, lambda _: True)
    with pytest.raises(NoThread):
        look_at_sink(mailbox(tmp_path / "sink"), state_dir, None)


def test_the_look_is_a_step_of_the_check(tmp_path: Path, state_dir: Path) -> None:
    poll(tmp_path / "sink", tmp_path / "elsewhere")
    means = means_of(state_dir)

    assert try_sink(mailbox(tmp_path / "sink"), means) is None
    (line,) = means.journal.lines
    assert (line.step, line.state) == ("sink", State.OK)
    assert line.detail.startswith(f"{tmp_path}/sink, for the user {user_name(os.geteuid())}, ")
    assert f"GiB free, not fed yet, also fed by the ledger {tmp_path}/elsewhere on " in line.detail


def test_a_new_sink_is_told_as_one_that_the_first_poll_makes(tmp_path: Path, state_dir: Path) -> None:
    means = means_of(state_dir)

    assert try_sink(mailbox(tmp_path / "sink"), means) is None
    assert means.journal.lines[0].detail.endswith("GiB free, the first poll makes it")


def test_a_state_directory_that_is_of_no_use_is_what_the_step_ends_with(
    tmp_path: Path, state_dir: Path
) -> None:
    state_dir.mkdir()
    state_dir.chmod(0o777)
    means = means_of(state_dir)

    assert isinstance(try_sink(mailbox(tmp_path / "sink"), means), LedgerError)
    assert means.journal.lines[0].state is State.FAILED


def test_without_the_ledger_nothing_is_said_of_a_sink_that_we_feed(tmp_path: Path, state_dir: Path) -> None:
    poll(tmp_path / "sink", state_dir)
    means = replace(means_of(state_dir), ledger_error=LedgerError("it cannot be read"))

    assert try_sink(mailbox(tmp_path / "sink", keeps=True), means) is None
    assert means.journal.lines[0].state is State.LEFT_OUT
