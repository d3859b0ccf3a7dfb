"""A ledger that was lost is told from one that was never there, whatever is left of it."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mailsluice.errors import LedgerError
from mailsluice.ledger.database import FILE, Database, is_begun
from mailsluice.ledger.ledger import Ledger
from mailsluice.ledger.lock import ServiceLock
from mailsluice.ledger.mark import MARK
from mailsluice.model import MailboxKey

KEY = MailboxKey("pop.example", "a@b.example")


def instance(state_dir: Path) -> str:
    database = Database(state_dir, read_only=True)
    database.close()
    return database.instance


@pytest.fixture
def polled(state_dir: Path) -> Path:
    """A state directory with which a mailbox was polled."""
    with Ledger(state_dir) as ledger, ledger.leases.hold(KEY):
        pass
    return state_dir


@pytest.fixture
def unmarked(polled: Path) -> Path:
    """One that was polled with before there were marks."""
    (polled / MARK).unlink()
    return polled


def remove(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def leave_one_octet(file: Path) -> None:
    file.write_bytes(b"S")


def leave_no_tables(file: Path) -> None:
    """As when the log, which had them all, was removed."""
    file.unlink()
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    file.chmod(0o600)


def put_another(file: Path) -> None:
    other = file.parent.with_name("other")
    Ledger(other).close()
    (other / FILE).replace(file)


LOSSES = (remove, empty, leave_one_octet, leave_no_tables)
USES: tuple[Callable[[Path], object], ...] = (Database, lambda path: Database(path, read_only=True))


def test_a_new_ledger_is_marked_with_its_instance(state_dir: Path) -> None:
    database = Database(state_dir)
    database.close()
    assert (state_dir / MARK).read_text() == f"{database.instance}\n"
    assert (state_dir / MARK).stat().st_mode & 0o777 == 0o600


def test_the_one_that_makes_the_ledger_knows_that_it_is_new(state_dir: Path) -> None:
    assert [_is_new(state_dir) for _ in range(2)] == [True, False]


def _is_new(state_dir: Path) -> bool:
    database = Database(state_dir)
    database.close()
    return database.is_new


def test_a_ledger_of_before_there_were_marks_is_marked_when_it_is_opened(unmarked: Path) -> None:
    assert not _is_new(unmarked)
    assert (unmarked / MARK).read_text().strip() == instance(unmarked)


def test_who_only_reads_marks_nothing(unmarked: Path) -> None:
    assert instance(unmarked)
    assert not (unmarked / MARK).exists()


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("lose", [*LOSSES, put_another])
def test_a_marked_ledger_that_is_lost_is_told_and_nothing_is_begun(
    polled: Path, lose: Callable[[Path], None], use: Callable[[Path], object]
) -> None:
    lose(polled / FILE)
    before = (polled / FILE).read_bytes() if (polled / FILE).exists() else None
    with pytest.raises(LedgerError, match=f"the ledger of {polled} is lost") as error:
        use(polled)
    assert "Backup and restore" in error.value.remedy
    assert ((polled / FILE).read_bytes() if (polled / FILE).exists() else None) == before


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("lose", LOSSES)
def test_an_unmarked_ledger_that_is_lost_is_told_where_a_mailbox_was_ever_locked(
    unmarked: Path, lose: Callable[[Path], None], use: Callable[[Path], object]
) -> None:
    lose(unmarked / FILE)
    with pytest.raises(LedgerError, match=f"the ledger of {unmarked} is lost"):
        use(unmarked)


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("lose", LOSSES)
def test_the_command_that_the_error_names_lets_a_new_ledger_begin_and_removes_no_lock(
    polled: Path, lose: Callable[[Path], None], marked: bool
) -> None:
    locks = sorted((polled / "locks").iterdir())
    if not marked:
        (polled / MARK).unlink()
    lose(polled / FILE)
    _obey(polled)
    assert _is_new(polled)
    assert sorted((polled / "locks").iterdir()) == locks
    lose(polled / FILE)
    (polled / MARK).unlink()
    with pytest.raises(LedgerError, match="is lost"):  # it was for one beginning
        Database(polled)


def test_the_command_that_the_error_names_lets_another_ledger_be_used(polled: Path) -> None:
    put_another(polled / FILE)
    _obey(polled)
    assert not _is_new(polled)
    assert (polled / MARK).read_text().strip() == instance(polled)


def _obey(state_dir: Path) -> None:
    with pytest.raises(LedgerError) as error:
        Database(state_dir)
    _, command, _ = error.value.remedy.split("`")
    assert "locks" not in command
    subprocess.run(shlex.split(command), check=True)


@pytest.mark.parametrize("said", ["", "nonsense", "\xff" * 200])
def test_a_mark_that_no_ledger_bears_fits_none(polled: Path, said: str) -> None:
    (polled / MARK).write_text(said, encoding="latin-1")
    with pytest.raises(LedgerError, match=f"is not the one that {MARK} names"):
        Database(polled)


def test_the_lock_of_a_daemon_alone_promises_no_ledger(state_dir: Path) -> None:
    ServiceLock.take(state_dir).release()
    assert not is_begun(state_dir)
    assert _is_new(state_dir)


def test_a_directory_without_anything_is_not_begun_and_one_with_a_ledger_is(state_dir: Path) -> None:
    assert not is_begun(state_dir)
    state_dir.mkdir(mode=0o700)
    assert not is_begun(state_dir)
    Ledger(state_dir).close()
    assert is_begun(state_dir)


@pytest.mark.parametrize("lose", LOSSES[:3])
def test_whether_a_lost_ledger_is_begun_is_an_error(polled: Path, lose: Callable[[Path], None]) -> None:
    lose(polled / FILE)
    with pytest.raises(LedgerError, match="is lost"):
        is_begun(polled)


def test_a_mark_that_somebody_planted_is_refused(polled: Path) -> None:
    (polled / MARK).rename(polled / "mark")
    (polled / MARK).symlink_to("mark")
    with pytest.raises(LedgerError, match="symbolic link"):
        Database(polled)


def test_a_process_that_ends_between_ledger_and_mark_leaves_a_ledger_that_the_next_one_marks(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def fail(old: str, new: str, **options: int) -> None:
        if new == MARK:
            raise OSError(5, os.strerror(5))
        rename(old, new, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", fail)
        with pytest.raises(LedgerError, match="Input/output error"):
            Database(state_dir)
    assert not (state_dir / MARK).exists()
    assert not _is_new(state_dir)
    assert (state_dir / MARK).read_text().strip() == instance(state_dir)
    assert not list(state_dir.glob(".*"))
