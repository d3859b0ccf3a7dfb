"""The ledger's file: damaged anywhere, or with rows that no ledger wrote, it is used as it should be or refused."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzz.feed import Feed
from mailsluice.errors import Bug, LedgerError
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import DeletePermit, Listed, MailboxKey, SessionReport, Staged, State, Stored
from mailsluice.outcome import Outcome
from support.confirming import confirm
from support.failing import fail

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = MailboxKey("pop.acme.example", "a@acme.example")
COLUMNS: dict[str, tuple[str, ...]] = {
    "message": ("uidl", "state", "since", "gone_since", "listed_size", "size", "sink", "name", "mailbox", "identity", "leaving"),
    "report": (
        "next_poll", "last_success", "failures", "last_error", "total_stored", "name", "started", "seconds", "listed",
        "fetched", "stored", "deleted", "octets", "waiting", "outcome", "detail", "mailbox",
    ),
    "mailbox": ("host", "address", "id"),
    "ledger": ("instance", "only", "time", "wall", "boot", "uptime"),
    "failure": ("uidl", "failures", "since", "error", "listed_size", "header", "mailbox"),
}  # fmt: skip
CELLS = tuple((table, column) for table, columns in COLUMNS.items() for column in columns)
UIDLS = (b"u1", b"u2", b"u3", b"u4", b"u5")

SEEDS = (
    b"\x00",
    b"\x00\x00\x00\x53",
    b"\x00\x10\x00\xff\x20\x10\x01\x40\x00",
    b"\x01\x02\x01\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x01\x01\x03other",
    b"\x01\x00\x03text",
    b"\x01\x07\x04../../x\x00",
    b"\x01\x0f\x02\x7f\xf0\x00\x00\x00\x00\x00\x00",
    b"\x02",
    b"\x02SQLite format 3\x00",
    b"\x03DELETE FROM ledger",
    b"\x03PRAGMA user_version = -1",
    b"\x03DROP TABLE report",
)
WORDS = (
    b"SQLite format 3\x00",
    b"PRAGMA user_version = ",
    b"DROP TABLE ",
    b"DELETE FROM ",
    b"UPDATE message SET ",
    b"message",
    b"report",
    b"mailbox",
    b"ledger",
)


@cache
def image() -> bytes:
    """The file of a right ledger, with a message in each state."""
    with TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        with Ledger(state) as ledger:
            staged = [Staged(uidl, f"name-{uidl.decode()}", 10, 9, b"identity") for uidl in UIDLS[:3]]
            ledger.messages.record(KEY, staged, "spool:/x", NOW)
            ledger.messages.commit(KEY, [Stored(each.uidl, each.name) for each in staged[1:]], NOW)
            confirm(ledger.messages, KEY, UIDLS[:2], [], NOW)
            ledger.messages.note_oversize(KEY, {Listed(4, UIDLS[3], 900): 1000}, NOW)
            ledger.messages.mark_seen(KEY, [Listed(5, UIDLS[4], 50)], NOW)
            fail(ledger.failures, KEY, {Listed(6, b"u6", 60): "it said no"}, 1, NOW)
            ledger.failures.note_header(KEY, b"u6", b"Subject: x\r\n")
            ledger.reports.note_session(
                KEY, SessionReport("invoices", NOW, 4, 3, 2, 1, 99, 1.5, 0, Outcome.OK, "")
            )
            ledger.reports.flush()
        with closing(sqlite3.connect(state / "ledger.db")) as connection:
            connection.execute("UPDATE ledger SET instance = '0123456789abcdef0123456789abcdef'")
            connection.commit()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return (state / "ledger.db").read_bytes()


def check(data: bytes) -> None:
    feed = Feed(data)
    with TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        state.mkdir(mode=0o700)
        path = state / "ledger.db"
        damages: tuple[Callable[[Feed, Path], None], ...] = (_flip, _poison, _replace, _command)
        feed.one_of(damages)(feed, path)
        before = path.read_bytes()
        agrees = _agrees_with_itself(path)
        try:
            with Ledger(state, read_only=True) as ledger:
                _read(ledger, agrees=agrees)
        except LedgerError as error:
            _check_words(error)
        try:
            with Ledger(state) as ledger:
                _read(ledger, agrees=agrees)
                _write(ledger, agrees=agrees)
        except LedgerError as error:
            _check_words(error)
        assert path.exists()
        assert len(path.read_bytes()) >= min(len(before), 512)


def _flip(feed: Feed, path: Path) -> None:
    """Octets of the file changed here and there."""
    octets = bytearray(image())
    while feed:
        octets[feed.number() % len(octets)] = feed.octet()
    path.write_bytes(octets)


def _replace(feed: Feed, path: Path) -> None:
    path.write_bytes(feed.rest())


def _poison(feed: Feed, path: Path) -> None:
    """A value in one column of every row, of a type and size that no ledger writes."""
    path.write_bytes(image())
    table, column = feed.one_of(CELLS)
    kind, octets = feed.octet() % 5, feed.rest()
    word = octets[:8].rjust(8, b"\0")
    values: tuple[object, ...] = (
        octets, struct.unpack(">q", word)[0], struct.unpack(">d", word)[0], octets.decode("utf-8", "replace"), None,
    )  # fmt: skip
    _execute(path, f"UPDATE {table} SET {column} = ?", (values[kind],))  # noqa: S608  names of ours


def _command(feed: Feed, path: Path) -> None:
    """What another program's SQL may have done to the file."""
    path.write_bytes(image())
    _execute(path, feed.rest().decode("utf-8", "replace"), ())


def _execute(path: Path, sql: str, values: tuple[object, ...]) -> None:
    if any(word in sql.upper() for word in ("ATTACH", "VACUUM", "RECURSIVE")):
        return  # they reach out, or never end
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        try:
            connection.execute(sql, values)
            connection.commit()
        except (sqlite3.Error, sqlite3.Warning, ValueError):
            return


def _agrees_with_itself(path: Path) -> bool:
    """Whether an index of the file says what its table says.

    An index that lies makes two questions disagree, and only a check of the whole file finds that.
    """
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        try:
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))
        except (sqlite3.Error, UnicodeDecodeError):  # what it says of a damaged name is no UTF-8
            return False


def _read(ledger: Ledger, *, agrees: bool) -> None:
    ledger.staging_owner(KEY)
    assert ledger.now() - timedelta(days=31) < ledger.now()
    known = ledger.messages.known(KEY)
    assert {type(uidl) for uidl in known} <= {bytes}
    for sink, staged in ledger.messages.half_done(KEY).items():
        assert type(sink) is str
        assert not any("/" in each.name for each in staged)
    assert {type(value) for row in ledger.messages.identities(KEY).items() for value in row} <= {bytes}
    assert {type(failure.error) for failure in ledger.failures.read(KEY).values()} <= {str}
    memory = ledger.messages.recall(KEY, UIDLS)
    ledger.lost.any(KEY)
    ledger.lost.mostly_nameless(KEY)
    ledger.lost.there_until(KEY)
    lost = ledger.lost.find(KEY, b"identity")
    ledger.messages.quiet(KEY, b"digest", NOW)
    permits = ledger.messages.permits(KEY, UIDLS)
    for key, report in ledger.reports.read().items():
        assert {type(key.host), type(key.address), type(report.name)} == {str}
    if agrees:
        assert set(memory.known) <= set(known)
        assert lost is None or lost in known
        assert all(known[permit.uidl].state is State.STORED for permit in permits)


def _write(ledger: Ledger, *, agrees: bool) -> None:
    staged = Staged(b"new", "name-new", 10)
    try:
        ledger.messages.record(KEY, [staged], "spool:/x", NOW)
        assert ledger.messages.commit(KEY, [Stored(b"new", "name-new")], NOW) == (DeletePermit(b"new"),)
    except Bug:
        assert b"new" in ledger.messages.known(KEY)
    ledger.messages.note_oversize(KEY, {Listed(8, b"large", None): 10**9}, NOW)
    fail(ledger.failures, KEY, {Listed(7, b"u7", None): "it said no"}, 1, NOW)
    ledger.reports.note_session(
        KEY, SessionReport("invoices", NOW, 4, 3, 2, 1, 99, 1.5, 0, Outcome.CONNECTION_LOST, "it said no")
    )
    ledger.reports.note_next_poll(KEY, "invoices", NOW)
    ledger.reports.flush()
    confirm(ledger.messages, KEY, [b"new"], [], NOW)
    confirm(ledger.messages, KEY, [b"new"], [], NOW + timedelta(days=31))
    _read(ledger, agrees=agrees)


def _check_words(error: LedgerError) -> None:
    assert f"{error}{error.remedy}".isprintable()
    assert len(str(error)) < 1000
