"""When a sink may be used, what is made of it, and what is durable then."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mailsluice.errors import SinkError, SinkRefused
from mailsluice.files import mounts
from mailsluice.model import Noticed, Where
from mailsluice.sink.hold import Hold
from sink.disk import Disk
from support.sinks import FEEDER, Sink, deliver, finish, held, sink_of, stage
from support.staging import staging_of


@pytest.fixture
def root(sink: Sink) -> Path:
    return Path(sink.spec.partition(":")[2])


@pytest.fixture
def where(sink: Sink) -> Where:
    """Where a first poll staged its messages."""
    with held(sink) as staging:
        return staging.where


def folder_of(root: Path) -> Path:
    return root / (".staging" if root.name == "spool" else "mailsluice-staging")


@contextmanager
def mounted(monkeypatch: pytest.MonkeyPatch, *points: Path) -> Iterator[None]:
    """While it lasts, file systems are mounted on these directories."""
    with monkeypatch.context() as patch:
        patch.setattr("os.path.ismount", lambda path: Path(path) in points)
        yield


def kinds(staging: Hold) -> list[Noticed]:
    return [notice.kind for notice in staging.notices]


def test_a_first_poll_has_nothing_to_notice(sink: Sink) -> None:
    with held(sink) as staging:
        assert staging.notices == []
        assert staging.commits == 0


def test_a_later_poll_finds_the_same_place(sink: Sink, where: Where) -> None:
    with held(sink, where) as staging:
        assert staging.where == replace(where, token=staging.where.token)
        assert staging.notices == []


def test_each_poll_writes_a_token_of_its_own(sink: Sink, where: Where) -> None:
    with held(sink, where) as staging:
        assert staging.where.token not in {"", where.token}


def test_recovery_goes_on_under_the_token_that_the_ledger_noted(sink: Sink, where: Where) -> None:
    for _ in range(2):
        with sink.find(where) as staging:
            assert staging is not None
            assert staging.is_as_left
            assert staging.where == where


def test_recovery_knows_that_another_had_the_directory_meanwhile(sink: Sink, where: Where) -> None:
    with held(sink, where):
        pass
    for _ in range(2):
        with sink.find(where) as staging:
            assert staging is not None
            assert not staging.is_as_left


def test_recovery_finds_nothing_where_the_mailbox_never_had_a_place(
    sink: Sink, where: Where, root: Path
) -> None:
    (staging_of(root) / "claim").write_text("")
    with sink.find(replace(where, place="", token="")) as staging:
        assert staging is None


def test_two_mailboxes_of_one_sink_find_one_sink_and_two_places(sink: Sink, where: Where, root: Path) -> None:
    kind = sink.spec.partition(":")[0]
    with held(sink_of(kind, root, owner="a" * 16 + "-" + "1" * 16)) as other:
        assert other.where.sink_id == where.sink_id
        assert other.where.place != where.place


def test_a_sink_that_is_not_mounted_is_refused_and_nothing_is_made_below_its_mount_point(
    sink: Sink, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounted(monkeypatch, tmp_path), held(sink) as staging:
        where = staging.where
    assert where.mounts == (str(tmp_path),)
    root.rename(tmp_path / "on the file system")
    root.mkdir()
    with pytest.raises(SinkRefused, match="nothing is mounted") as error, sink.hold(where):
        pass
    assert error.value.remedy.startswith(f"`mount {tmp_path}`; or")
    assert "sink forget inv" in error.value.remedy
    assert error.value.exit_code == 73
    assert list(root.iterdir()) == []


def test_a_copy_of_the_sink_that_stayed_below_the_mount_point_is_refused(
    sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounted(monkeypatch, tmp_path), held(sink) as staging:
        where = staging.where
    with pytest.raises(SinkRefused, match="nothing is mounted"), held(sink, where):
        pass


def test_a_sink_that_was_moved_to_a_file_system_of_its_own_is_known_to_lie_there_from_then_on(
    sink: Sink, where: Where, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert where.mounts == ()
    with mounted(monkeypatch, tmp_path), held(sink, where) as staging:
        assert staging.where.mounts == (str(tmp_path),)
        assert staging.notices == []


def test_a_sink_that_is_new_is_not_made_below_a_mount_point_that_others_have(
    sink: Sink, root: Path, tmp_path: Path
) -> None:
    elsewhere = Where(sink.spec, "", ("/nowhere", str(tmp_path)), "")
    with pytest.raises(SinkRefused, match=f"nothing is mounted on {tmp_path}"), held(sink, elsewhere):
        pass
    assert not root.exists()


def test_a_sink_that_is_new_is_made_whatever_others_lie_on(sink: Sink) -> None:
    with held(sink, Where(sink.spec, "", ("/nowhere",), "")) as staging:
        assert staging.where.sink_id
        assert staging.notices == []


def test_a_directory_that_a_consumer_put_in_the_place_of_the_spool_goes_on_with_one_notice(
    sink: Sink, where: Where, root: Path, tmp_path: Path
) -> None:
    root.rename(tmp_path / "spool.1")
    root.mkdir()
    with held(sink, where) as staging:
        assert kinds(staging) == [Noticed.MADE_ANEW]
        assert staging.where.sink_id != where.sink_id
        deliver(staging, b"u")
    with held(sink, staging.where) as staging:
        assert staging.notices == []


def test_staging_that_was_removed_with_the_marker_goes_on_with_one_notice(
    sink: Sink, where: Where, root: Path
) -> None:
    staging_of(root).joinpath("claim").unlink()
    staging_of(root).rmdir()
    for file in folder_of(root).iterdir():
        file.unlink()
    folder_of(root).rmdir()
    with held(sink, where) as staging:
        assert kinds(staging) == [Noticed.MADE_ANEW]


def test_a_ledger_that_moved_is_noticed_once(sink: Sink, where: Where, root: Path) -> None:
    kind = sink.spec.partition(":")[0]
    for expected in ([Noticed.MOVED], []):
        with held(sink_of(kind, root, feeder=replace(FEEDER, state_dir="/elsewhere")), where) as staging:
            assert kinds(staging) == expected


@pytest.mark.parametrize("level", [".", "owner"])
def test_a_symbolic_link_in_the_place_of_staging_is_refused(
    sink: Sink, where: Where, root: Path, tmp_path: Path, level: str
) -> None:
    spot = folder_of(root) if level == "." else staging_of(root)
    spot.rename(tmp_path / "elsewhere")
    before = sorted((tmp_path / "elsewhere").iterdir())
    spot.symlink_to(tmp_path / "elsewhere")
    for use in (sink.hold(None), sink.hold(where), sink.find(where)):
        with pytest.raises(SinkError), use:
            pass
    assert sorted((tmp_path / "elsewhere").iterdir()) == before


@pytest.mark.parametrize("level", [".", "owner"])
def test_a_staging_directory_that_others_can_write_is_refused(
    sink: Sink, where: Where, root: Path, level: str, disk: Disk
) -> None:
    (folder_of(root) if level == "." else staging_of(root)).chmod(0o777)
    for use in (sink.hold(None), sink.hold(where), sink.find(where)):
        with pytest.raises(SinkError, match="written by others"), use:
            pass
    assert disk.open_fds == set()


def test_a_sink_that_is_a_symbolic_link_is_refused(sink: Sink, root: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    root.symlink_to("real")
    with pytest.raises(SinkError) as error, sink.hold(None):
        pass
    assert "symbolic link" in error.value.remedy


def test_the_first_time_every_directory_is_durable_before_a_message(
    sink: Sink, root: Path, disk: Disk, tmp_path: Path
) -> None:
    with held(sink):
        staging = staging_of(root).relative_to(tmp_path)
        wanted = {
            ".",
            root.name,
            str(staging.parent),
            str(staging),
            f"{staging}/claim",
            f"{staging.parent}/sink-id",
        }
        assert set(disk.called("fsync")) == wanted


def test_what_the_ledger_knows_as_durable_is_not_synced_again(sink: Sink, where: Where, disk: Disk) -> None:
    with held(sink, where):
        assert disk.called("fsync") == []


def test_what_a_killed_process_made_and_no_ledger_knows_of_is_synced_again(
    sink: Sink, where: Where, root: Path, disk: Disk
) -> None:
    assert where.place
    with held(sink):
        assert {".", root.name} <= set(disk.called("fsync"))


def test_a_sink_where_we_could_not_have_made_it_is_used_as_it_is(
    sink: Sink, root: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.mkdir()
    monkeypatch.setattr(disk, "access", lambda *_: False)
    with held(sink) as staging:
        deliver(staging, b"u")
    assert "." not in disk.called("fsync")


def test_what_is_delivered_has_the_group_that_its_sink_hands_down(sink: Sink, root: Path) -> None:
    group = 54321 if os.geteuid() == 0 else os.getegid()
    root.mkdir()
    os.chown(root, -1, group)
    root.chmod(0o2750)
    with held(sink) as staging:
        deliver(staging, b"u")
    found = [path for path in root.rglob("*") if path.is_file()]
    assert found
    assert {path.stat().st_gid for path in found} == {group}


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES])
def test_a_read_only_file_system_is_an_error_with_a_remedy(sink: Sink, disk: Disk, error: int) -> None:
    disk.fail("mkdir", error)
    with pytest.raises(SinkError) as raised, sink.hold(None):
        pass
    assert raised.value.remedy
    assert disk.open_fds == set()


def test_a_file_system_mounted_inside_the_sink_is_an_error_before_anything_is_fetched(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailsluice.files.directory.Directory.is_beside", lambda *_: False)
    with pytest.raises(SinkError, match="different file systems") as error, sink.hold(None):
        pass
    assert "mount nothing inside" in error.value.remedy


@pytest.mark.parametrize("part", ["new", "cur", "tmp"])
def test_a_part_of_a_maildir_that_is_missing_is_made_by_the_next_poll(
    maildir: Sink, tmp_path: Path, part: str
) -> None:
    with held(maildir) as staging:
        where, staged = staging.where, stage(staging, b"u")
    (tmp_path / "maildir" / part).rmdir()
    with maildir.find(where) as found:
        assert found is not None
        assert len(finish(found, staged)) == 1


def test_the_marker_that_was_cut_off_by_a_power_cut_is_made_anew(
    sink: Sink, where: Where, root: Path
) -> None:
    (folder_of(root) / "sink-id").write_bytes(b"\0" * 32)
    with held(sink, where) as staging:
        assert staging.where.sink_id not in {where.sink_id, ""}
        assert staging.where.place == where.place


def test_a_mount_point_on_the_way_is_known_through_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk" / "spool").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    with mounted(monkeypatch, tmp_path / "disk"):
        assert mounts.mount_points(tmp_path / "link" / "spool") == (str(tmp_path / "disk"),)
