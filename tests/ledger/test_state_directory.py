"""The directory that the ledger lies in: made, private, synced, and refused if others have a hand in it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mailsluice import invocation
from mailsluice.errors import LedgerError
from mailsluice.files.private import replace_private
from mailsluice.ledger.database import FILE, Database
from mailsluice.ledger.directory import usable
from mailsluice.ledger.ledger import Ledger


def test_directory_and_files_are_private(ledger: Ledger, state_dir: Path) -> None:
    assert state_dir.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in state_dir.iterdir()} == {0o600}


def test_files_are_private_whatever_the_umask(state_dir: Path) -> None:
    before = os.umask(0)
    try:
        Database(state_dir).close()
    finally:
        os.umask(before)
    assert (state_dir / FILE).stat().st_mode & 0o777 == 0o600


def test_a_state_directory_may_be_a_symbolic_link(tmp_path: Path, state_dir: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    state_dir.symlink_to("private")
    Database(state_dir).close()
    assert (tmp_path / "private" / FILE).exists()


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_what_a_state_directory_lies_in_is_made_private_with_it(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        Database(tmp_path / ".local" / "state" / "mailsluice").close()
    finally:
        os.umask(before)
    made = [tmp_path / ".local", tmp_path / ".local/state", tmp_path / ".local/state/mailsluice"]
    assert [path.stat().st_mode & 0o777 for path in made] == [0o700] * 3


def test_a_state_directory_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="cannot be used") as error:
        Database(tmp_path / "file" / "state")
    assert "service.state_dir" in error.value.remedy


def test_a_directory_in_the_place_of_a_file_is_answered_by_what_helps_there(state_dir: Path) -> None:
    (state_dir / "daemon.json").mkdir(parents=True)
    with pytest.raises(LedgerError, match=r"daemon\.json: Is a directory") as error, usable(state_dir):
        replace_private(state_dir / "daemon.json", b"{}", durable=False)
    assert error.value.remedy == "remove the directory: mailsluice makes no directory with that name"


def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The directories and files that the ledger itself syncs from now on."""
    paths: list[Path] = []
    fsync = os.fsync

    def watched(fd: int) -> None:
        fsync(fd)
        paths.append(Path(f"/proc/self/fd/{fd}").readlink())

    monkeypatch.setattr("mailsluice.files.directory.os.fsync", watched)
    return paths


@pytest.mark.parametrize("made_before", [0, 1, 2, 3])
def test_a_new_process_syncs_the_names_above_since_the_last_may_have_been_killed_before(
    tmp_path: Path, made_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = [tmp_path / "a", tmp_path / "a/b", tmp_path / "a/b/state"]
    for level in levels[:made_before]:
        level.mkdir(mode=0o700)
    paths = synced(monkeypatch)
    Database(levels[-1]).close()
    assert {tmp_path, *levels[:-1]} <= set(paths)


def test_names_above_that_we_could_not_have_made_are_left_alone(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_dir.mkdir(mode=0o700)
    paths = synced(monkeypatch)
    monkeypatch.setattr("mailsluice.files.directory.os.access", lambda *_: False)
    Database(state_dir).close()
    assert {path.parent for path in paths} == {state_dir.parent, state_dir}
    assert state_dir.parent not in paths


def test_names_of_the_ledger_and_its_log_that_cannot_be_synced_are_an_error(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def failing(fd: int) -> None:
        if Path(f"/proc/self/fd/{fd}").readlink() == state_dir:
            assert (state_dir / f"{FILE}-wal").stat().st_size
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(fd)

    monkeypatch.setattr("mailsluice.files.directory.os.fsync", failing)
    with pytest.raises(LedgerError, match="Input/output error"):
        Database(state_dir)


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_state_directory_that_others_can_write_is_refused(state_dir: Path, mode: int) -> None:
    state_dir.mkdir()
    state_dir.chmod(mode)
    with pytest.raises(LedgerError, match="written by others") as error:
        Database(state_dir)
    assert error.value.remedy == f"chmod go= {state_dir}"


def test_a_state_directory_of_another_user_is_refused_with_the_command_to_use(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_dir.mkdir(mode=0o700)
    owner = os.geteuid()
    monkeypatch.setattr("mailsluice.files.directory.os.geteuid", lambda: owner + 1)
    invocation.note_arguments(["poll", "invoices"])
    with pytest.raises(LedgerError, match="belongs to") as error:
        Database(state_dir)
    assert error.value.remedy == f"run the command as that user: {invocation.again_as(owner)}"
    assert error.value.remedy.endswith(" poll invoices")
