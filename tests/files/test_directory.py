from __future__ import annotations

import errno
import os
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mailsluice.files.directory import Directory, Moved, make_with_parents
from mailsluice.files.error import FileError
from sink.disk import Disk


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    found = Directory.find(tmp_path)
    assert found is not None
    return found


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_files_and_directories_get_exactly_their_mode_whatever_the_umask(
    directory: Directory, tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        for name, wanted in (("one", 0o640), ("two", 0o640), ("three", 0o666)):
            directory.create(name, wanted).close()
        directory.make("folder", 0o751).close()
    finally:
        os.umask(before)
    assert [mode(tmp_path / name) for name in ("one", "two", "three")] == [0o640, 0o640, 0o666]
    assert mode(tmp_path / "folder") == 0o751


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_directory_made_where_the_group_is_handed_down_hands_it_down_too(
    directory: Directory, tmp_path: Path, umask: int
) -> None:
    group = 54321 if os.geteuid() == 0 else os.getegid()
    os.chown(tmp_path, -1, group)
    tmp_path.chmod(0o2750)
    before = os.umask(umask)
    try:
        with directory.make("folder", 0o750) as folder:
            folder.create("file", 0o640).close()
    finally:
        os.umask(before)
    assert mode(tmp_path / "folder") == 0o2750
    assert (tmp_path / "folder" / "file").stat().st_gid == group


def test_an_existing_file_is_never_written_over(directory: Directory, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(FileError, match="EEXIST"):
        directory.create("file", 0o600)
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_file_is_not_created_through_a_symbolic_link(directory: Directory, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileError):
        directory.create("link", 0o600)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_whose_mode_cannot_be_set_is_not_left_behind(
    directory: Directory, disk: Disk, tmp_path: Path
) -> None:
    disk.takes_modes = True
    disk.fail("fchmod", errno.EPERM)
    with pytest.raises(FileError):
        directory.create("file", 0o600)
    assert list(tmp_path.iterdir()) == []
    assert disk.open_fds == set()


def test_short_writes_are_continued(directory: Directory, disk: Disk, tmp_path: Path) -> None:
    disk.longest_write = 3
    file = directory.create("file", 0o600)
    file.write(b"0123456789")
    file.close()
    assert (tmp_path / "file").read_bytes() == b"0123456789"
    assert len(disk.called("write")) == 4


def test_a_directory_that_is_there_keeps_its_mode(directory: Directory, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o755)
    directory.make("folder", 0o700).close()
    assert mode(tmp_path / "folder") == 0o755


def test_making_a_directory_syncs_the_one_above_even_if_it_was_there(
    directory: Directory, disk: Disk
) -> None:
    directory.make("folder", 0o700).close()
    directory.make("folder", 0o700).close()
    assert disk.called("fsync") == [".", "."]


@pytest.mark.parametrize("call", ["mkdir", "open", "fstat", "fsync"])
def test_a_directory_that_cannot_be_made_leaks_no_descriptor(
    directory: Directory, disk: Disk, call: str
) -> None:
    disk.fail(call, errno.EIO)
    with pytest.raises(FileError):
        directory.make("folder", 0o700)
    assert disk.open_fds == set()


@pytest.mark.parametrize("make", [True, False])
def test_a_symbolic_link_is_not_taken_for_a_directory(
    directory: Directory, tmp_path: Path, make: bool
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(FileError) as error:
        directory.make("link", 0o700) if make else directory.child("link")
    assert f"mv {tmp_path}/link" in error.value.remedy
    with pytest.raises(FileError) as error:
        Directory.find(tmp_path / "link")
    assert "symbolic link" in error.value.remedy


def test_the_directory_above_may_be_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with Directory.follow(tmp_path / "link") as parent:
        parent.make("new", 0o700).close()
    assert (tmp_path / "real" / "new").is_dir()


def test_what_is_missing_is_none(directory: Directory, tmp_path: Path) -> None:
    assert directory.child("missing") is None
    assert Directory.find(tmp_path / "missing") is None


def test_a_file_renamed_before_is_not_here_any_more(directory: Directory) -> None:
    directory.create("file", 0o600).close()
    assert directory.rename("file", directory, "new") is Moved.YES
    assert directory.rename("file", directory, "new") is Moved.ABSENT


def test_a_file_that_has_the_new_name_is_never_replaced(directory: Directory, tmp_path: Path) -> None:
    directory.create("file", 0o600).close()
    (tmp_path / "new").write_bytes(b"there before")
    assert directory.rename("file", directory, "new") is Moved.TAKEN
    assert (tmp_path / "new").read_bytes() == b"there before"


def test_a_file_that_has_both_names_after_a_power_cut_is_moved(directory: Directory, tmp_path: Path) -> None:
    directory.create("file", 0o600).close()
    (tmp_path / "new").hardlink_to(tmp_path / "file")
    assert directory.rename("file", directory, "new") is Moved.YES


def test_a_rename_to_another_file_system_is_told_apart(directory: Directory, disk: Disk) -> None:
    directory.create("file", 0o600).close()
    disk.fail("rename", errno.EXDEV)
    assert directory.rename("file", directory, "new") is Moved.BARRED


def test_a_directory_knows_whether_its_path_leads_to_it(directory: Directory, tmp_path: Path) -> None:
    with directory.make("folder", 0o700) as folder:
        assert folder.is_at(tmp_path / "folder")
        (tmp_path / "folder").rename(tmp_path / "moved")
        assert not folder.is_at(tmp_path / "folder")
        (tmp_path / "folder").mkdir()
        assert not folder.is_at(tmp_path / "folder")


def test_a_duplicate_is_open_after_the_first_is_closed(directory: Directory, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with directory.duplicate() as again:
        directory.close()
        assert again.names() == ["file"]


def test_two_threads_that_list_their_duplicates_see_every_name(directory: Directory, tmp_path: Path) -> None:
    expected = {f"{number}" for number in range(3000)}
    for name in expected:
        (tmp_path / name).touch()

    def listed() -> bool:
        with directory.duplicate() as again:
            return all(set(again.names()) == expected for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert all(done.result() for done in [pool.submit(listed) for _ in range(4)])


def test_the_first_octets_of_a_file_are_read_and_none_of_what_is_missing(
    directory: Directory, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert directory.read("file", 4) == b"0123"
    assert directory.read("missing", 4) is None


def test_a_file_is_not_read_through_a_symbolic_link(directory: Directory, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(FileError):
        directory.read("link", 4)


def test_a_target_directory_that_was_removed_is_an_error_and_not_a_file_renamed_before(
    directory: Directory, tmp_path: Path
) -> None:
    directory.create("file", 0o600).close()
    target = directory.make("target", 0o700)
    (tmp_path / "target").rmdir()
    with pytest.raises(FileError, match="ENOENT"):
        directory.rename("file", target, "file")


def test_a_source_directory_that_was_removed_is_an_error_and_not_a_file_renamed_before(
    directory: Directory, tmp_path: Path
) -> None:
    source = directory.make("source", 0o700)
    (tmp_path / "source").rmdir()
    with pytest.raises(FileError, match="ENOENT"):
        source.rename("file", directory, "file")


def test_unlinking_what_is_gone_is_well(directory: Directory) -> None:
    directory.unlink("missing")


@pytest.mark.parametrize("shared", [0o720, 0o702, 0o777])
def test_a_directory_that_others_can_write_is_refused_with_the_command_that_mends_it(
    directory: Directory, tmp_path: Path, shared: int
) -> None:
    directory.refuse_if_shared()
    tmp_path.chmod(shared)
    with pytest.raises(FileError, match="written by others") as error:
        directory.refuse_if_shared()
    subprocess.run(shlex.split(error.value.remedy), check=True)
    directory.refuse_if_shared()


def test_a_directory_of_another_user_is_refused(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = os.geteuid()
    monkeypatch.setattr("mailsluice.files.trust.os.geteuid", lambda: owner + 1)
    with pytest.raises(FileError, match="belongs to another user"):
        directory.refuse_if_shared()


def test_what_is_put_in_the_place_of_a_file_is_durable(
    directory: Directory, disk: Disk, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "new").write_bytes(b"new")
    directory.replace("new", "file")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"new"}
    assert [(call, about) for call, about in disk.calls if call in {"rename", "fsync"}] == [
        ("rename", "new file"),
        ("fsync", "."),
    ]


@pytest.mark.parametrize("made_before", [0, 1, 2, 3])
def test_a_directory_is_made_with_those_above_and_their_names_are_synced_even_if_they_were_there(
    disk: Disk, tmp_path: Path, made_before: int
) -> None:
    levels = [tmp_path / "a", tmp_path / "a/b", tmp_path / "a/b/c"]
    for level in levels[:made_before]:
        level.mkdir(mode=0o700)
    make_with_parents(levels[-1])
    assert [mode(level) for level in levels] == [0o700] * 3
    assert {".", "a", "a/b"} <= set(disk.called("fsync"))


@pytest.mark.parametrize("make", [True, False])
def test_of_what_lies_in_the_place_of_a_directory_of_ours_the_remedy_is_to_move_it_away(
    directory: Directory, tmp_path: Path, make: bool
) -> None:
    (tmp_path / "planted").touch()
    with pytest.raises(FileError, match="ENOTDIR") as error:
        directory.make("planted", 0o700) if make else directory.child("planted")
    subprocess.run(shlex.split(error.value.remedy.split("`")[1]), check=True)
    directory.make("planted", 0o700).close()


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (errno.ENOSPC, "df"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "ReadWritePaths"),
        (errno.EACCES, "chown"),
        (errno.EMFILE, "LimitNOFILE"),
        (errno.EIO, "dmesg"),
    ],
)
def test_an_error_names_path_call_and_cause_and_says_what_helps(
    directory: Directory, disk: Disk, tmp_path: Path, error: int, word: str
) -> None:
    disk.fail("open", error)
    with pytest.raises(FileError) as raised:
        directory.create("file", 0o600)
    assert (
        str(raised.value) == f"cannot create {tmp_path}/file: {os.strerror(error)} ({errno.errorcode[error]})"
    )
    assert word in raised.value.remedy


def test_an_error_without_a_known_remedy_still_names_its_cause(directory: Directory, disk: Disk) -> None:
    disk.fail("fsync", errno.ENOTCONN)
    with pytest.raises(FileError, match="ENOTCONN"):
        directory.sync()
