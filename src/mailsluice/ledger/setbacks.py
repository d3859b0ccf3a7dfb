"""What could not be fetched: how often in a row, why, and what is in quarantine.

Owns the setback table. Must never decide what is tried again: that is `policy`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from datetime import datetime

from mailsluice.ledger.times import from_micros, to_micros
from mailsluice.model import TRIES, Listed, MailboxKey, Setback

_COLUMNS = "uidl, failures, since, error, listed_size, header"
_NOTE = """
    INSERT INTO setback (mailbox, uidl, failures, since, error, listed_size) VALUES (?, ?, 1, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
        failures = iif(listed_size IS excluded.listed_size, failures + 1, 1),
        since = excluded.since, error = excluded.error, listed_size = excluded.listed_size
"""


def note(
    connection: sqlite3.Connection, mailbox: int, errors: Mapping[Listed, str], now: datetime
) -> list[Listed]:
    """Count one more failure of each; those that are in quarantine by that.

    One that LIST gives another size than before is another message, and counted anew.
    """
    rows = [(mailbox, each.uidl, to_micros(now), error, each.size) for each, error in errors.items()]
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
        uidl: Setback(failures, from_micros(since), error, listed_size, header)
        for uidl, failures, since, error, listed_size, header in rows
    }
