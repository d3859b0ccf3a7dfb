"""What could not be fetched: how often in a row, why, and what is in quarantine.

Owns the setback table. Must never decide what is tried again: that is `policy`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from datetime import datetime

from mailsluice.ledger.rows import octets, text, whole
from mailsluice.ledger.times import from_micros, to_micros
from mailsluice.model import TRIES, Listed, MailboxKey, Setback

_COLUMNS = "uidl, failures, last, error, listed_size, header"
_NOTE = """
    INSERT INTO setback (mailbox, uidl, failures, last, error, listed_size) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
        failures = failures + excluded.failures,
        last = excluded.last, error = excluded.error, listed_size = ifnull(excluded.listed_size, listed_size)
"""


def note(
    connection: sqlite3.Connection, mailbox: int, errors: Mapping[Listed, str], failures: int, now: datetime
) -> list[Listed]:
    """Note that each of these was tried in vain, and count so many failures; those in quarantine by that."""
    rows = [
        (mailbox, each.uidl, failures, to_micros(now), error, each.size) for each, error in errors.items()
    ]
    connection.executemany(_NOTE, rows)
    quarantined = {
        uidl
        for (uidl,) in connection.execute(
            "SELECT uidl FROM setback WHERE mailbox = ? AND failures >= ?", (mailbox, TRIES)
        )
    }
    return [each for each in errors if each.uidl in quarantined]


def note_header(connection: sqlite3.Connection, mailbox: int, uidl: bytes, header: bytes) -> None:
    """Keep what the server told of a message in quarantine."""
    connection.execute(
        "UPDATE setback SET header = ? WHERE mailbox = ? AND uidl = ?", (header, mailbox, uidl)
    )


def forget(connection: sqlite3.Connection, mailbox: int, uidls: Collection[bytes]) -> int:
    """Forget the failures of these; how many had any."""
    if connection.execute("SELECT 1 FROM setback WHERE mailbox = ?", (mailbox,)).fetchone() is None:
        return 0  # as it mostly is, and then each of a batch need not be looked for
    rows = [(mailbox, uidl) for uidl in uidls]
    return connection.executemany("DELETE FROM setback WHERE mailbox = ? AND uidl = ?", rows).rowcount


def read(connection: sqlite3.Connection, key: MailboxKey) -> dict[bytes, Setback]:
    """Every message of a mailbox that failed at its last try, by UIDL."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM setback"  # noqa: S608  a constant
        " WHERE mailbox = (SELECT id FROM mailbox WHERE host = ? AND address = ?)",
        (key.host, key.address),
    )
    return {
        octets(uidl): Setback(whole(failures), from_micros(last), text(error), listed_size, header)
        for uidl, failures, last, error, listed_size, header in rows
    }
