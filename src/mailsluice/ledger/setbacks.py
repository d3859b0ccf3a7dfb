"""What could not be fetched: how often in a row, why, and what is in quarantine.

Owns the setback table. Must never decide what is tried again: that is `policy`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping

from mailsluice.ledger.rows import DamagedRow, octets, text, whole
from mailsluice.ledger.times import from_micros, to_micros
from mailsluice.model import TRIES, Listed, MailboxKey, Setback, Why

_COLUMNS = "uidl, failures, last, error, listed_size, header, kind, tried, take"
_NOTE = """
    INSERT INTO setback (mailbox, uidl, failures, last, error, listed_size, kind, tried, header)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
        failures = iif(kind = excluded.kind, failures, 0) + excluded.failures,
        last = excluded.last, error = excluded.error, listed_size = ifnull(excluded.listed_size, listed_size),
        kind = excluded.kind, tried = excluded.tried, header = ifnull(excluded.header, header)
"""


def note(connection: sqlite3.Connection, mailbox: int, failed: Mapping[Listed, Setback]) -> list[Listed]:
    """Note that each of these was tried in vain, and add its failures; those that are held by that."""
    rows = [
        (
            mailbox,
            each.uidl,
            setback.failures,
            to_micros(setback.last),
            setback.error,
            each.size,
            setback.kind.value,
            to_micros(setback.tried),
            setback.header,
        )
        for each, setback in failed.items()
    ]
    connection.executemany(_NOTE, rows)
    held = {
        uidl
        for (uidl,) in connection.execute(
            "SELECT uidl FROM setback WHERE mailbox = ? AND failures >= ?", (mailbox, TRIES)
        )
    }
    return [each for each in failed if each.uidl in held]


def note_header(connection: sqlite3.Connection, mailbox: int, uidl: bytes, header: bytes) -> None:
    """Keep what the server told of a message in quarantine."""
    connection.execute(
        "UPDATE setback SET header = ? WHERE mailbox = ? AND uidl = ?", (header, mailbox, uidl)
    )


def take(connection: sqlite3.Connection, mailbox: int, uidls: Collection[bytes]) -> int:
    """Note that these are to be stored as they come; how many were held."""
    rows = [(mailbox, uidl) for uidl in uidls]
    return connection.executemany("UPDATE setback SET take = 1 WHERE mailbox = ? AND uidl = ?", rows).rowcount


def forget(connection: sqlite3.Connection, mailbox: int, uidls: Collection[bytes]) -> int:
    """Forget the failures of these; how many had any."""
    if connection.execute("SELECT 1 FROM setback WHERE mailbox = ?", (mailbox,)).fetchone() is None:
        return 0  # as it mostly is, and then each of a batch need not be looked for
    rows = [(mailbox, uidl) for uidl in uidls]
    return connection.executemany("DELETE FROM setback WHERE mailbox = ? AND uidl = ?", rows).rowcount


def _why(cell: object) -> Why:
    try:
        return Why(text(cell))
    except ValueError as exc:
        raise DamagedRow from exc


def read(connection: sqlite3.Connection, key: MailboxKey) -> dict[bytes, Setback]:
    """Every message of a mailbox that failed at its last try, by UIDL."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM setback"  # noqa: S608  a constant
        " WHERE mailbox = (SELECT id FROM mailbox WHERE host = ? AND address = ?)",
        (key.host, key.address),
    )
    return {
        octets(uidl): Setback(
            whole(failures),
            from_micros(last),
            text(error),
            listed_size,
            header,
            _why(kind),
            from_micros(tried),
            bool(take),
        )
        for uidl, failures, last, error, listed_size, header, kind, tried, take in rows
    }
