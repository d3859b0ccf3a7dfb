"""The files of an open ledger are watched: whoever moves them under its hands is noticed before any harm."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailsluice.errors import LedgerError, LedgerReplaced
from mailsluice.ledger.database import FILE, Database
from mailsluice.ledger.open_files import KINDS


def names(database: Database) -> list[str]:
    with database.reading() as connection:
        return [name for (name,) in connection.execute("SELECT address FROM mailbox ORDER BY id")]


def add(database: Database, name: str) -> None:
    with database.writing() as connection:
        connection.execute("INSERT INTO mailbox (host, address) VALUES ('h', ?)", (name,))


def add_one(database: Database) -> None:
    add(database, "too late")


@pytest.fixture
def database(state_dir: Path) -> Iterator[Database]:
    database = Database(state_dir)
    add(database, "a")
    yield database
    database.close()


def remove(file: Path) -> None:
    file.unlink()


def replace(file: Path) -> None:
    copy = file.with_name("copy")
    shutil.copy(file, copy)
    copy.replace(file)


def move_behind_a_link(file: Path) -> None:
    file.rename(file.with_name("moved"))
    file.symlink_to("moved")


@pytest.mark.parametrize("use", [names, add_one])
@pytest.mark.parametrize("change", [remove, replace, move_behind_a_link])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_not_the_one_that_was_opened_stops_the_next_transaction(
    database: Database,
    state_dir: Path,
    kind: str,
    change: Callable[[Path], None],
    use: Callable[[Database], object],
) -> None:
    change(state_dir / f"{FILE}{kind}")
    with pytest.raises(LedgerReplaced) as error:
        use(database)
    assert str(error.value).startswith(f"{state_dir / FILE}{kind} was re")
    assert "Backup and restore" in error.value.remedy
    with pytest.raises(LedgerReplaced):
        database.check_files()


def test_a_state_directory_that_was_moved_is_noticed(database: Database, state_dir: Path) -> None:
    state_dir.rename(state_dir.with_name("elsewhere"))
    state_dir.touch()
    with pytest.raises(LedgerReplaced, match="was removed"):
        names(database)


def test_other_processes_that_come_and_go_change_nothing(database: Database, state_dir: Path) -> None:
    for read_only in (True, False):
        Database(state_dir, read_only=read_only).close()
    connection = sqlite3.connect(state_dir / FILE)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    add(database, "b")
    assert names(database) == ["a", "b"]


def test_a_file_that_cannot_be_looked_at_is_another_error(
    database: Database, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> os.stat_result:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("mailsluice.ledger.open_files.os.lstat", fail)
        with pytest.raises(LedgerError, match=f"{state_dir} cannot be used: Input/output error") as error:
            names(database)
    assert not isinstance(error.value, LedgerReplaced)
    assert names(database) == ["a"]


def test_what_a_removed_log_had_is_in_the_ledger_when_it_was_closed(state_dir: Path) -> None:
    database = Database(state_dir)
    add(database, "a")
    (state_dir / f"{FILE}-wal").unlink()
    database.close()
    database = Database(state_dir)
    assert names(database) == ["a"]
    database.close()


@pytest.mark.parametrize("change", [remove, replace])
def test_the_log_of_a_ledger_that_was_replaced_is_put_aside_when_it_is_closed(
    state_dir: Path, change: Callable[[Path], None]
) -> None:
    database = Database(state_dir)
    add(database, "a")
    log = state_dir / f"{FILE}-wal"
    said = log.read_bytes()
    change(state_dir / FILE)
    database.close()
    assert not log.exists()
    assert log.with_name(f"{log.name}.replaced").read_bytes() == said


def test_a_ledger_put_in_the_place_of_an_open_one_is_none_of_its_log_s(state_dir: Path) -> None:
    database = Database(state_dir)
    add(database, "first")
    backup = state_dir / "backup"
    copy = sqlite3.connect(backup)
    with database.reading() as connection:
        connection.backup(copy)
    copy.close()
    backup.chmod(0o600)
    for number in range(50):
        add(database, f"second {number}")
    backup.replace(state_dir / FILE)
    database.close()

    database = Database(state_dir)
    assert names(database) == ["first"]
    database.close()


def test_who_opens_a_ledger_to_read_before_anybody_writes_may_read_on(state_dir: Path) -> None:
    Database(state_dir).close()
    reader = Database(state_dir, read_only=True)
    writer = Database(state_dir)
    add(writer, "a")
    assert names(reader) == ["a"]
    writer.close()
    assert names(reader) == ["a"]
    reader.close()


@pytest.mark.parametrize("use", [names, add_one])
def test_a_ledger_that_was_cut_short_stops_the_next_transaction(
    database: Database, state_dir: Path, use: Callable[[Database], object]
) -> None:
    os.truncate(state_dir / FILE, 0)
    with pytest.raises(LedgerReplaced, match="cut short"):
        use(database)
