from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mailsluice.files.error import FileError
from mailsluice.files.private import locked, locked_within, read_own, read_private, replace_private
from mailsluice.files.trust import trusted_owners


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(b"canary")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_is_read(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert read_private(file, owners=trusted_owners()) == b"canary"


def test_a_link_to_a_private_file_is_followed(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    assert read_private(link, owners=trusted_owners()) == b"canary"


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o602, 0o644, 0o666])
def test_a_file_that_others_may_use_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(FileError, match=f"{file} can be used by others: its mode is {mode:04o}") as caught:
        read_private(file, owners=trusted_owners())
    subprocess.run(shlex.split(caught.value.remedy), check=True)
    assert read_private(file, owners=trusted_owners()) == b"canary"


def test_a_file_of_another_owner_is_refused(file: Path) -> None:
    with pytest.raises(FileError, match="belongs to another user"):
        read_private(file, owners=trusted_owners() - {file.stat().st_uid} | {54321})


@pytest.mark.parametrize("call", ["open", "fstat", "close"])
def test_whatever_fails_while_a_file_is_read_is_one_error(
    file: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    real = getattr(os, call)

    def fail(*args: object) -> None:
        if call == "close":
            real(*args)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(FileError, match=f"^cannot read {file}: Input/output error"):
            read_private(file, owners=trusted_owners())


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="regular file"):
        read_private(tmp_path, owners=trusted_owners())


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(OSError, match="regular file"):
        read_private(pipe, owners=trusted_owners())


def test_a_file_too_large_to_be_a_secret_is_refused(file: Path) -> None:
    os.truncate(file, 5 * 1024 * 1024)
    with pytest.raises(OSError, match="too many"):
        read_private(file, owners=trusted_owners())


def test_of_a_file_that_is_no_secret_the_first_octets_are_read_and_others_may_read_it(file: Path) -> None:
    file.chmod(0o644)
    assert read_own(file, 3) == b"can"
    assert read_own(file.with_name("missing"), 3) is None


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_one_that_others_may_write_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(FileError, match="written by others"):
        read_own(file, 3)


def test_nor_is_it_read_through_a_link(file: Path) -> None:
    file.with_name("link").symlink_to(file)
    with pytest.raises(FileError, match="symbolic link"):
        read_own(file.with_name("link"), 3)


def test_a_replaced_file_is_private_whatever_it_was(file: Path) -> None:
    file.chmod(0o666)
    replace_private(file, b"other")
    assert read_private(file, owners=trusted_owners()) == b"other"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["secret"]


def test_content_and_directory_are_synced_around_the_rename(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real_sync, real_rename = os.fsync, os.rename

    def sync(descriptor: int) -> None:
        steps.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real_sync(descriptor)

    def rename(old: str, new: str, **options: int) -> None:
        steps.append(f"{old} {new}")
        real_rename(old, new, **options)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "rename", rename)
    replace_private(file, b"other")
    assert steps == [str(file.with_name(".secret.new")), ".secret.new secret", str(file.parent)]


def test_what_a_crash_left_unfinished_is_no_obstacle_and_no_trap(file: Path) -> None:
    victim = file.with_name("victim")
    victim.write_bytes(b"untouched")
    file.with_name(".secret.new").symlink_to(victim)
    replace_private(file, b"other")
    assert victim.read_bytes() == b"untouched"
    assert file.read_bytes() == b"other"


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    order: list[str] = []

    def second() -> None:
        with locked(lock):
            order.append("second")

    with locked(lock):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"), locked(tmp_path / "lock"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_crash_before_the_rename_leaves_what_was_there(file: Path) -> None:
    code = (
        "import os, pathlib, sys\n"
        "from mailsluice.files.private import replace_private\n"
        "os.rename = lambda *_, **__: os._exit(9)\n"
        "replace_private(pathlib.Path(sys.argv[1]), b'other')\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(file)], check=False).returncode == 9
    assert file.read_bytes() == b"canary"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_writes_belongs_to_the_owner_of_the_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, 54321, 54322)
    replace_private(tmp_path / "secret", b"canary")
    with locked(tmp_path / "lock"):
        pass
    for name in ("secret", "lock"):
        status = (tmp_path / name).stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (54321, 54322, 0o600)


def test_who_waits_for_a_lock_has_it_as_soon_as_it_is_free(tmp_path: Path) -> None:
    first = locked_within(tmp_path / "lock", 0)
    assert first is not None
    ending = threading.Timer(0.1, first.close)
    ending.start()
    second = locked_within(tmp_path / "lock", 30)
    ending.join()
    assert second is not None
    second.close()


def test_nobody_waits_for_ever_for_a_lock(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        assert locked_within(tmp_path / "lock", 0) is None
        assert locked_within(tmp_path / "lock", 0.1) is None


def test_a_lock_that_a_stopped_process_holds_is_an_error_in_the_end(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        with (
            pytest.raises(FileError, match="another process has held") as caught,
            locked(tmp_path / "lock", 0.1),
        ):
            pass
        assert "state T" in caught.value.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_lock_that_cannot_be_given_to_the_service_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root on a file system that takes root for nobody."""
    os.chown(tmp_path, 54321, 54322)

    def denied(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fchown", denied)
        with pytest.raises(FileError):
            locked_within(tmp_path / "lock", 0)
    second = locked_within(tmp_path / "lock", 0)
    assert second is not None
    second.close()


def test_a_lock_that_is_a_link_is_refused_without_a_wait(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "other")
    with pytest.raises(FileError, match="symbolic link"):
        locked_within(tmp_path / "lock", 30)
