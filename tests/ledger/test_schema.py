from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailsluice.errors import LedgerError
from mailsluice.ledger import schema
from mailsluice.ledger.database import FILE
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import Listed, MailboxKey, SessionReport, Staged, State, Stored
from mailsluice.outcome import Outcome
from support.failing import fail

KEY = MailboxKey("h", "a")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def damage(state_dir: Path, change: str) -> None:
    connection = sqlite3.connect(state_dir / FILE)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    with connection:
        connection.execute(change)
    connection.close()


def set_version(state_dir: Path, version: int) -> None:
    connection = sqlite3.connect(state_dir / FILE, isolation_level=None)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


def test_a_new_file_takes_every_step(connection: sqlite3.Connection) -> None:
    assert schema.version(connection) == 0
    schema.migrate(connection)
    assert schema.version(connection) == schema.VERSION


def test_a_file_of_today_takes_none(connection: sqlite3.Connection) -> None:
    schema.migrate(connection)
    before = list(connection.iterdump())
    schema.migrate(connection)
    assert list(connection.iterdump()) == before


def test_every_ledger_has_an_instance_of_its_own(connection: sqlite3.Connection) -> None:
    schema.migrate(connection)
    other = sqlite3.connect(":memory:")
    schema.migrate(other)
    select = "SELECT instance FROM ledger"
    assert connection.execute(select).fetchall() != other.execute(select).fetchall()
    other.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(state_dir: Path, read_only: bool) -> None:
    Ledger(state_dir).close()
    set_version(state_dir, schema.VERSION + 1)
    before = (state_dir / FILE).read_bytes()
    with pytest.raises(LedgerError, match="a newer one wrote it"):
        Ledger(state_dir, read_only=read_only)
    assert (state_dir / FILE).read_bytes() == before


def test_a_step_to_come_is_taken_once(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger(state_dir).close()
    monkeypatch.setattr(schema, "_STEPS", (*schema._STEPS, ("CREATE TABLE later (x)",)))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    with pytest.raises(LedgerError, match="older than"):
        Ledger(state_dir, read_only=True)
    with Ledger(state_dir) as ledger:
        assert not ledger.is_new
    Ledger(state_dir, read_only=True).close()


def test_a_step_that_fails_is_not_half_taken(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger(state_dir).close()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "_STEPS", (*schema._STEPS, ("CREATE TABLE later (x)", "nonsense")))
        patch.setattr(schema, "VERSION", schema.VERSION + 1)
        with pytest.raises(LedgerError):
            Ledger(state_dir)
    Ledger(state_dir).close()
    connection = sqlite3.connect(state_dir / FILE)
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'later'").fetchone() == (0,)
    connection.close()


def write_row(connection: sqlite3.Connection, state: str, gone_since: int | None, name: str | None) -> None:
    schema.migrate(connection)
    connection.execute("INSERT INTO mailbox (id, host, address) VALUES (1, 'h', 'a')")
    connection.execute(
        "INSERT INTO message (mailbox, uidl, state, since, gone_since, size, sink, name)"
        " VALUES (1, x'00', ?, 1, ?, 1, 's', ?)",
        (state, gone_since, name),
    )


@pytest.mark.parametrize("state", State)
def test_a_row_of_each_state_can_be_written(connection: sqlite3.Connection, state: State) -> None:
    write_row(connection, state.value, 1 if state is State.GONE else None, "n")


@pytest.mark.parametrize(
    ("state", "gone_since", "name"),
    [
        ("staged", 1, "n"),
        ("stored", 1, "n"),
        ("gone", None, "n"),
        ("oversize", 1, "n"),
        ("staged", None, None),
        ("stored", None, None),
        ("unheard of", None, "n"),
    ],
)
def test_a_row_that_makes_no_sense_cannot_be_written(
    connection: sqlite3.Connection, state: str, gone_since: int | None, name: str | None
) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        write_row(connection, state, gone_since, name)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("ledger", "DELETE FROM ledger"),
        ("ledger", "UPDATE ledger SET instance = x'00'"),
        ("mailbox", "UPDATE mailbox SET host = x'00'"),
        ("mailbox", "UPDATE mailbox SET writes = 'many'"),
        ("mailbox", "UPDATE mailbox SET quiet = x'00'"),
        ("message", "UPDATE message SET uidl = 'text'"),
        ("message", "UPDATE message SET since = 'text'"),
        ("message", "UPDATE message SET since = 9223372036854775807"),
        ("message", "UPDATE message SET gone_since = 1"),
        ("message", "UPDATE message SET listed_size = 1.5"),
        ("message", "UPDATE message SET name = '../x'"),
        ("message", "UPDATE message SET name = NULL"),
        ("report", "UPDATE report SET failures = 'many'"),
        ("report", "UPDATE report SET next_poll = -9223372036854775807"),
        ("report", "UPDATE report SET outcome = NULL"),
    ],
)
def test_a_ledger_with_a_row_that_none_has_written_is_refused_and_stays_as_it_is(
    state_dir: Path, table: str, change: str
) -> None:
    with Ledger(state_dir) as ledger:
        ledger.messages.record(KEY, [Staged(b"u", "n", 1)], "spool:/x", NOW)
        ledger.reports.note_session(KEY, SessionReport("a", NOW, 1, 1, 1, 1, 1, 1.5, 0, Outcome.OK, ""))
        ledger.reports.flush()
    damage(state_dir, change)
    before = (state_dir / FILE).read_bytes()

    with pytest.raises(LedgerError, match=f"its table {table} has content that no mailsluice") as refused:
        Ledger(state_dir)
    assert "restore a backup" in refused.value.remedy
    assert (state_dir / FILE).read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        "SET state = 'other'",
        "SET uidl = 'text'",
        "SET since = 'text'",
        "SET since = 9223372036854775807",
        "SET gone_since = x'00'",
    ],
)
def test_a_message_that_none_has_written_is_refused_when_it_is_read(state_dir: Path, change: str) -> None:
    with Ledger(state_dir) as ledger:
        ledger.messages.record(KEY, [Staged(b"u", "n", 1)], "spool:/x", NOW)
        ledger.messages.commit(KEY, [Stored(b"u", "n")], NOW)
        damage(state_dir, f"UPDATE message {change}")

        with pytest.raises(LedgerError, match="a row that no mailsluice writes"):
            ledger.messages.known(KEY)


def test_a_ledger_of_a_version_below_zero_is_refused(state_dir: Path) -> None:
    Ledger(state_dir).close()
    connection = sqlite3.connect(state_dir / FILE)
    connection.execute("PRAGMA user_version = -1")
    connection.close()

    with pytest.raises(LedgerError, match="has version -1"):
        Ledger(state_dir)


@pytest.mark.parametrize(
    ("change", "use"),
    [
        ("UPDATE mailbox SET writes = 'many'", lambda ledger: ledger.messages.recall(KEY, [])),
        ("UPDATE message SET sink = x'00'", lambda ledger: ledger.messages.half_done(KEY)),
        ("UPDATE message SET name = x'00'", lambda ledger: ledger.messages.half_done(KEY)),
        ("UPDATE message SET listed_size = 'large'", lambda ledger: ledger.messages.known(KEY)),
        ("UPDATE failure SET last = 'text'", lambda ledger: ledger.failures.read(KEY)),
        ("UPDATE failure SET error = x'00'", lambda ledger: ledger.failures.read(KEY)),
        ("UPDATE report SET seconds = 'long'", lambda ledger: ledger.reports.read()),
        ("UPDATE report SET started = 9223372036854775807", lambda ledger: ledger.reports.read()),
    ],
)
def test_a_row_that_is_damaged_while_the_ledger_is_open_is_told_as_that_when_it_is_read(
    state_dir: Path, change: str, use: Callable[[Ledger], object]
) -> None:
    with Ledger(state_dir) as ledger:
        ledger.messages.record(KEY, [Staged(b"u", "n", 1)], "spool:/x", NOW)
        fail(ledger.failures, KEY, {Listed(1, b"v", 1): "no"}, 1, NOW)
        ledger.reports.note_session(KEY, SessionReport("a", NOW, 1, 1, 1, 1, 1, 1.5, 0, Outcome.OK, ""))
        ledger.reports.flush()
        damage(state_dir, change)

        with pytest.raises(LedgerError, match="a row that no mailsluice writes"):
            use(ledger)
