from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailsluice.errors import SinkError
from mailsluice.model import Listed, Staged
from mailsluice.sink.maildir import Maildir
from mailsluice.sink.spool import Spool
from sink.disk import Disk

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def stage(sink: Spool | Maildir) -> tuple[Staged, ...]:
    with sink.batch() as batch:
        batch.add(Listed(1, b"u"), iter([b"x\r\n"]), NOW)
        return batch.stage()


def staging_of(sink: Spool | Maildir, tmp_path: Path) -> Path:
    return tmp_path / "spool/.staging" if isinstance(sink, Spool) else tmp_path / "maildir/mailsluice-staging"


@pytest.mark.parametrize("level", [".", "owner"])
def test_a_symbolic_link_in_the_place_of_staging_is_refused(
    sink: Spool | Maildir, tmp_path: Path, level: str
) -> None:
    staging = staging_of(sink, tmp_path) / level
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    staging.parent.mkdir(parents=True, mode=0o700)
    staging.symlink_to(elsewhere)
    for use in (sink.batch, sink.sweep, lambda: sink.publish([Staged(b"u", "n", 1)])):
        with pytest.raises(SinkError):
            use()
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("level", [".", "owner"])
def test_a_staging_directory_that_others_can_write_is_refused(
    sink: Spool | Maildir, tmp_path: Path, level: str, disk: Disk
) -> None:
    staged = stage(sink)
    (staging_of(sink, tmp_path) / level).chmod(0o777)
    for use in (sink.batch, sink.sweep, lambda: sink.publish(staged)):
        with pytest.raises(SinkError, match="written by others"):
            use()
    assert disk.open_fds == set()


def test_a_sink_that_is_a_symbolic_link_is_refused(sink: Spool | Maildir, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    staging_of(sink, tmp_path).parent.symlink_to("real")
    with pytest.raises(SinkError) as error:
        sink.batch()
    assert "symbolic link" in error.value.remedy


def test_the_directories_above_are_synced_before_the_first_message(sink: Spool | Maildir, disk: Disk) -> None:
    sink.batch().__exit__(None, None, None)
    root = "spool" if isinstance(sink, Spool) else "maildir"
    folder = ".staging" if isinstance(sink, Spool) else "mailsluice-staging"
    assert set(disk.called("fsync")) == {".", root, f"{root}/{folder}"}


def test_the_directories_above_are_synced_once(sink: Spool | Maildir, disk: Disk) -> None:
    stage(sink)
    disk.calls.clear()
    with sink.batch():
        assert disk.called("fsync") == []


def test_a_new_process_syncs_them_again_since_the_last_may_have_been_killed_before(
    tmp_path: Path, disk: Disk
) -> None:
    (tmp_path / "sink" / ".staging" / "owner").mkdir(parents=True, mode=0o700)
    (tmp_path / "sink" / ".staging").chmod(0o700)
    with Spool(tmp_path / "sink", mailbox="m", address="a", owner="owner", mode=0o600).batch():
        assert disk.called("fsync") == [".", "sink", "sink/.staging"]


def test_a_sink_where_we_could_not_have_made_it_is_used_as_it_is(
    sink: Spool | Maildir, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging_of(sink, tmp_path).parent.mkdir()
    monkeypatch.setattr(disk, "access", lambda *_: False)
    sink.publish(stage(sink))
    assert "." not in disk.called("fsync")


def test_what_is_delivered_has_the_group_that_its_sink_hands_down(
    sink: Spool | Maildir, tmp_path: Path
) -> None:
    root = staging_of(sink, tmp_path).parent
    group = 54321 if os.geteuid() == 0 else os.getegid()
    root.mkdir()
    os.chown(root, -1, group)
    root.chmod(0o2750)
    sink.publish(stage(sink))
    found = [path for path in root.rglob("*") if path.is_file()]
    assert found
    assert {path.stat().st_gid for path in found} == {group}


def test_staging_that_vanished_is_made_again_for_a_new_batch(sink: Spool | Maildir, tmp_path: Path) -> None:
    sink.publish(stage(sink))
    (staging_of(sink, tmp_path) / "owner").rmdir()
    sink.publish(stage(sink))


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES])
def test_a_read_only_file_system_is_an_error_with_a_remedy(
    sink: Spool | Maildir, disk: Disk, error: int
) -> None:
    disk.fail("mkdir", error)
    with pytest.raises(SinkError) as raised:
        sink.batch()
    assert raised.value.remedy
    assert disk.open_fds == set()


def test_sweep_takes_what_is_not_a_file_for_an_error(sink: Spool | Maildir, tmp_path: Path) -> None:
    stage(sink)
    (staging_of(sink, tmp_path) / "owner" / "directory").mkdir()
    with pytest.raises(SinkError, match="directory"):
        sink.sweep()
