from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailsluice.errors import LedgerError
from mailsluice.ledger import schema
from mailsluice.ledger.database import FILE, Database


def names(database: Database) -> list[str]:
    with database.reading() as connection:
        return [name for (name,) in connection.execute("SELECT address FROM mailbox ORDER BY id")]


def add(database: Database, name: str) -> None:
    with database.writing() as connection:
        connection.execute("INSERT INTO mailbox (host, address) VALUES ('h', ?)", (name,))


@pytest.fixture
def database(state_dir: Path) -> Any:
    database = Database(state_dir)
    yield database
    database.close()


def test_what_was_written_is_there_after_reopening(database: Database, state_dir: Path) -> None:
    add(database, "a")
    again = Database(state_dir)
    assert names(again) == ["a"]
    again.close()


def test_an_exception_undoes_the_transaction(database: Database) -> None:
    def fail() -> None:
        with database.writing() as connection:
            connection.execute("INSERT INTO mailbox (host, address) VALUES ('h', 'a')")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(database) == []


def pragma(connection: sqlite3.Connection, name: str) -> Any:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_every_commit_is_synced(database: Database) -> None:
    with database.writing() as connection:
        assert (pragma(connection, "journal_mode"), pragma(connection, "synchronous")) == ("wal", 2)
        assert pragma(connection, "foreign_keys") == 1


def test_many_threads_may_write_at_once(database: Database) -> None:
    threads = [threading.Thread(target=add, args=(database, f"{n}")) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(database)) == 16


def test_another_process_reads_while_one_writes(database: Database, state_dir: Path) -> None:
    add(database, "a")
    reader = Database(state_dir, read_only=True)
    with database.writing() as connection:
        connection.execute("INSERT INTO mailbox (host, address) VALUES ('h', 'b')")
        assert names(reader) == ["a"]
    assert names(reader) == ["a", "b"]
    reader.close()


def test_a_reader_cannot_write(database: Database, state_dir: Path) -> None:
    reader = Database(state_dir, read_only=True)
    with pytest.raises(LedgerError):
        add(reader, "a")
    reader.close()


@pytest.mark.parametrize("make", [True, False])
def test_a_reader_makes_nothing(state_dir: Path, make: bool) -> None:
    if make:
        state_dir.mkdir(mode=0o700)
    with pytest.raises(LedgerError):
        Database(state_dir, read_only=True)
    assert not (state_dir / FILE).exists()
    assert state_dir.exists() == make


def test_a_missing_ledger_says_that_nothing_was_polled(state_dir: Path) -> None:
    state_dir.mkdir(mode=0o700)
    with pytest.raises(LedgerError, match="nothing has been polled"):
        Database(state_dir, read_only=True)


@pytest.mark.parametrize(
    "damage", [lambda _: b"not a database at all", lambda octets: octets[:100] + b"\xff" * 5000]
)
def test_a_damaged_file_is_an_error_with_a_remedy_and_stays_as_it_is(
    state_dir: Path, damage: Callable[[bytes], bytes]
) -> None:
    Database(state_dir).close()
    file = state_dir / FILE
    file.write_bytes(damage(file.read_bytes()))
    before = file.read_bytes()
    with pytest.raises(LedgerError) as error:
        names(Database(state_dir))
    assert str(file) in str(error.value)
    assert f"sqlite3 {file} 'PRAGMA integrity_check'" in error.value.remedy
    assert file.read_bytes() == before


def test_damage_that_sqlite_itself_cannot_put_into_words_is_an_error_all_the_same(state_dir: Path) -> None:
    Database(state_dir).close()
    connection = sqlite3.connect(state_dir / FILE, isolation_level=None)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "UPDATE sqlite_master SET name = CAST(x'ff1b' AS TEXT), sql = 'nonsense' WHERE name = 'report'"
    )
    connection.close()
    with pytest.raises(LedgerError) as error:
        Database(state_dir)
    assert str(error.value).isprintable()
    assert "restore a backup" in error.value.remedy


def test_a_full_disk_is_an_error_and_the_next_write_succeeds(database: Database) -> None:
    with database.reading() as connection:
        most = pragma(connection, "page_count")
        connection.execute(f"PRAGMA max_page_count = {most}")
    with pytest.raises(LedgerError, match="full") as error:
        add(database, "x" * 100_000)
    assert "df" in error.value.remedy
    add(database, "small")
    assert names(database) == ["small"]


class Failing(sqlite3.Connection):
    """A connection whose next COMMIT fails, having written its frames to the log or not.

    `settles` False: what is tried next to settle it fails too.
    """

    fails = False
    written = False
    settles = True

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql.startswith("PRAGMA application_id =") and not Failing.settles:
            raise sqlite3.OperationalError("disk still bad")
        if sql == "COMMIT" and Failing.fails:
            Failing.fails = False
            if Failing.written:
                super().execute(sql)
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *parameters)


@pytest.fixture
def connections_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(
        "mailsluice.ledger.database.sqlite3.connect",
        lambda *args, **options: connect(*args, factory=Failing, **options),
    )


@pytest.fixture
def failing(state_dir: Path, connections_may_fail: None) -> Any:
    database = Database(state_dir)
    yield database
    Failing.settles = True
    database.close()


def log_of(state_dir: Path) -> bytes:
    return (state_dir / f"{FILE}-wal").read_bytes()


def test_a_commit_that_fails_is_undone_and_the_next_succeeds(failing: Database) -> None:
    Failing.fails, Failing.written = True, False
    with pytest.raises(LedgerError, match="I/O"):
        add(failing, "a")
    add(failing, "b")
    assert names(failing) == ["b"]


def test_after_a_failed_commit_its_place_in_the_log_is_taken_at_once(
    failing: Database, state_dir: Path
) -> None:
    before = log_of(state_dir)
    Failing.fails, Failing.written = True, False
    with pytest.raises(LedgerError):
        add(failing, "a")
    after = log_of(state_dir)
    assert after != before
    assert names(failing) == []
    assert log_of(state_dir) == after


def test_after_a_failed_commit_its_place_in_the_log_is_taken_before_anything_is_read(
    failing: Database, state_dir: Path
) -> None:
    Failing.fails, Failing.written, Failing.settles = True, False, False
    with pytest.raises(LedgerError, match="I/O"):
        add(failing, "a")
    before = log_of(state_dir)
    with pytest.raises(LedgerError, match="still bad"):
        names(failing)
    Failing.settles = True
    assert names(failing) == []
    assert log_of(state_dir) != before


def test_a_commit_that_was_written_though_its_failure_was_reported_is_read_as_it_is(
    failing: Database,
) -> None:
    Failing.fails, Failing.written = True, True
    with pytest.raises(LedgerError, match="I/O"):
        add(failing, "a")
    assert names(failing) == ["a"]


def test_a_connection_that_could_be_opened_for_reading_alone_is_an_error_at_once(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Database(state_dir).close()
    connect = sqlite3.connect

    def for_reading(name: str, **options: Any) -> Any:
        return connect(name.replace("mode=rw", "mode=ro"), **options)

    monkeypatch.setattr("mailsluice.ledger.database.sqlite3.connect", for_reading)
    with pytest.raises(LedgerError, match="readonly"):
        Database(state_dir)


def test_a_first_commit_that_fails_leaves_a_ledger_that_the_next_process_makes(
    state_dir: Path, connections_may_fail: None
) -> None:
    Failing.fails, Failing.written = True, False
    with pytest.raises(LedgerError, match="I/O"):
        Database(state_dir)
    database = Database(state_dir)
    add(database, "a")
    assert names(database) == ["a"]
    database.close()


def test_a_process_killed_in_a_transaction_leaves_what_it_committed(state_dir: Path) -> None:
    script = """
import sys
from pathlib import Path
from mailsluice.ledger.database import Database
database = Database(Path(sys.argv[1]))
for name in ("committed", "under way"):
    with database.writing() as connection:
        connection.execute("INSERT INTO mailbox (host, address) VALUES ('h', ?)", (name,))
        if name == "under way":
            print("now", flush=True)
            sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, str(state_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"now\n"
        process.send_signal(signal.SIGKILL)
    database = Database(state_dir)
    assert names(database) == ["committed"]
    add(database, "after")
    database.close()


def test_two_processes_may_make_the_ledger_at_once(state_dir: Path) -> None:
    script = "import sys; from pathlib import Path; from mailsluice.ledger.database import Database; sys.stdin.read(1); Database(Path(sys.argv[1])).close()"
    racers = [
        subprocess.Popen([sys.executable, "-c", script, str(state_dir)], stdin=subprocess.PIPE)
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
    assert [racer.wait() for racer in racers] == [0, 0, 0]
    database = Database(state_dir)
    with database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM ledger").fetchone() == (1,)
        assert schema.version(connection) == schema.VERSION
    database.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_who_opens_the_ledger_to_write_commits_before_it_reads_for_the_last_may_have_been_killed_before_its_sync(
    database: Database, state_dir: Path, read_only: bool
) -> None:
    add(database, "a")
    before = len(log_of(state_dir))
    Database(state_dir, read_only=read_only).close()
    assert (len(log_of(state_dir)) > before) == (not read_only)
