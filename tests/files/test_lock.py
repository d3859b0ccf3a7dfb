"""The lock file: one thread of one process holds it, and nobody removes it unnoticed."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest

from mailsluice.files.directory import Directory
from mailsluice.files.error import FileError
from mailsluice.files.trust import Problem
from sink.disk import Disk


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory.follow(tmp_path)


def test_one_at_a_time_has_a_lock(directory: Directory) -> None:
    first = directory.try_lock("lock")
    assert first is not None
    assert directory.try_lock("lock") is None
    first.close()
    again = directory.lock("lock")
    again.close()


def test_a_lock_file_that_was_removed_while_it_was_waited_for_is_made_anew(
    directory: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, removed = fcntl.flock, iter([True])

    def remove_first(fd: int, how: int) -> None:
        if next(removed, False):
            (tmp_path / "lock").unlink()
        flock(fd, how)

    monkeypatch.setattr("fcntl.flock", remove_first)
    locked = directory.try_lock("lock")
    assert locked is not None
    assert directory.try_lock("lock") is None
    locked.close()


@pytest.mark.parametrize("call", ["open", "stat", "fstat"])
def test_a_lock_that_cannot_be_taken_leaks_no_descriptor(directory: Directory, disk: Disk, call: str) -> None:
    disk.fail(call, errno.EIO)
    with pytest.raises(FileError):
        directory.try_lock("lock")
    assert disk.open_fds == set()


def test_a_duplicate_keeps_others_out_when_the_first_has_let_go(directory: Directory) -> None:
    first = directory.lock("lock")
    with first.duplicate():
        first.close()
        assert directory.try_lock("lock") is None
    directory.lock("lock").close()


def test_a_lock_knows_whether_a_path_leads_to_it(directory: Directory, tmp_path: Path) -> None:
    with directory.lock("lock") as lock:
        assert lock.is_at(tmp_path / "lock")
        assert not lock.is_at(tmp_path / "missing")
        (tmp_path / "lock").rename(tmp_path / "moved")
        (tmp_path / "lock").touch()
        assert not lock.is_at(tmp_path / "lock")


def test_a_file_is_judged_before_it_is_locked(directory: Directory, disk: Disk, tmp_path: Path) -> None:
    def never(path: Path, status: os.stat_result) -> Problem:
        assert stat.S_ISREG(status.st_mode)
        return Problem(f"{path} is not right", "mend it")

    with directory.lock("lock"):
        disk.open_fds.clear()
        with pytest.raises(FileError, match=f"^{tmp_path}/lock is not right$") as error:
            directory.try_lock("lock", never)
    assert error.value.remedy == "mend it"
    assert disk.open_fds == set()


def test_a_lock_that_a_file_system_refuses_though_it_was_to_be_waited_for_is_an_error(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_fd: int, _how: int) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(FileError, match="EAGAIN") as error:
        directory.lock("lock")
    assert "NFS" in error.value.remedy
