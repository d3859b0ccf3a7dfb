"""What could not be fetched: how often in a row, why, and what is in quarantine.

Owns the failure table, the class that keeps the port and the functions that its neighbours call in their own
transactions. Must never decide what is tried again: that is `policy`.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from mailsluice.failure import Failure, Why
from mailsluice.ledger import mailboxes
from mailsluice.ledger.database import Database
from mailsluice.ledger.rows import DamagedRow, octets, text, whole
from mailsluice.ledger.times import from_micros, to_micros
from mailsluice.model import Listed, MailboxKey

_COLUMNS = "uidl, failures, last, error, listed_size, header, kind, tried, take, first"
_MAILBOX = "SELECT id FROM mailbox WHERE host = ? AND address = ?"
_OF_MAILBOX = f"SELECT {_COLUMNS} FROM failure WHERE mailbox = ?"  # noqa: S608  a constant
_SAME = """
    (kind = excluded.kind OR (kind IN ('refused', 'broke') AND excluded.kind IN ('refused', 'broke')))
"""
_NOTE = f"""
    INSERT INTO failure (mailbox, uidl, failures, last, error, listed_size, kind, tried, first, header)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
        failures = iif({_SAME}, failures, 0) + excluded.failures,
        first = iif({_SAME} AND failures > 0, first, excluded.first),
        last = excluded.last, error = excluded.error, listed_size = ifnull(excluded.listed_size, listed_size),
        kind = excluded.kind, tried = excluded.tried, header = ifnull(excluded.header, header)
    WHERE NOT (excluded.kind = 'silent' AND kind IN ('refused', 'broke'))
"""  # noqa: S608  a constant
_NOTE_HEADER = "UPDATE failure SET header = ? WHERE mailbox = ? AND uidl = ?"
_TAKE = "UPDATE failure SET take = 1 WHERE mailbox = ? AND uidl = ?"


class Failures:
    """Keeps the promises of `session.ports.Failures`. Every method raises LedgerError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, key: MailboxKey) -> Mapping[bytes, Failure]:
        """Every message of the mailbox that could not be fetched when last tried, by UIDL."""
        with self._database.reading() as connection:
            return read(connection, key)

    def note(self, key: MailboxKey, failed: Mapping[Listed, Failure]) -> Sequence[Listed]:
        """Note that each was tried in vain, and add its failures; those that are held by that."""
        with self._database.writing() as connection:
            return _note(connection, mailboxes.touched(connection, key), failed)

    def note_header(self, key: MailboxKey, uidl: bytes, header: bytes) -> None:
        """Keep what the server told of a message in quarantine."""
        with self._database.writing() as connection:
            connection.execute(_NOTE_HEADER, (header, mailboxes.touched(connection, key), uidl))

    def retry(self, key: MailboxKey, uidls: Collection[bytes]) -> int:
        """Forget that these could not be fetched, so that the next poll tries; how many that were."""
        with self._database.writing() as connection:
            return forget(connection, mailboxes.touched(connection, key), uidls)

    def take(self, key: MailboxKey, uidls: Collection[bytes]) -> int:
        """Note that these are to be stored as they come, so that the next poll does; how many were held."""
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            return connection.executemany(_TAKE, [(mailbox, uidl) for uidl in uidls]).rowcount


def forget(connection: sqlite3.Connection, mailbox: int, uidls: Collection[bytes]) -> int:
    """Forget the failures of these; how many had any."""
    if connection.execute("SELECT 1 FROM failure WHERE mailbox = ?", (mailbox,)).fetchone() is None:
        return 0  # as it mostly is, and then each of a batch need not be looked for
    rows = [(mailbox, uidl) for uidl in uidls]
    return connection.executemany("DELETE FROM failure WHERE mailbox = ? AND uidl = ?", rows).rowcount


def read(connection: sqlite3.Connection, key: MailboxKey) -> dict[bytes, Failure]:
    """Every message of a mailbox that failed at its last try, by UIDL."""
    found = connection.execute(_MAILBOX, (key.host, key.address)).fetchone()
    return {} if found is None else _read(connection, found[0])


def quarantined(connection: sqlite3.Connection) -> Counter[int]:
    """How many messages of each mailbox, by its number, are set aside."""
    numbers = [number for (number,) in connection.execute("SELECT DISTINCT mailbox FROM failure")]
    return Counter(
        {
            number: sum(failure.quarantined for failure in _read(connection, number).values())
            for number in numbers
        }
    )


def _read(connection: sqlite3.Connection, mailbox: int) -> dict[bytes, Failure]:
    rows = connection.execute(_OF_MAILBOX, (mailbox,))
    return {
        octets(uidl): Failure(
            whole(failures),
            from_micros(last),
            text(error),
            listed_size,
            header,
            _why(kind),
            from_micros(tried),
            bool(take),
            from_micros(first),
        )
        for uidl, failures, last, error, listed_size, header, kind, tried, take, first in rows
    }


def _note(connection: sqlite3.Connection, mailbox: int, failed: Mapping[Listed, Failure]) -> list[Listed]:
    """Note that each of these was tried in vain, and add its failures; those that are set aside by that."""
    rows = [
        (
            mailbox,
            each.uidl,
            failure.times,
            to_micros(failure.last),
            failure.error,
            each.size,
            failure.kind.value,
            to_micros(failure.tried),
            to_micros(failure.tried),
            failure.header,
        )
        for each, failure in failed.items()
    ]
    before = _read(connection, mailbox)
    connection.executemany(_NOTE, rows)
    after = _read(connection, mailbox)
    return [
        each
        for each in failed
        if after[each.uidl].quarantined and not (each.uidl in before and before[each.uidl].quarantined)
    ]


def _why(cell: object) -> Why:
    try:
        return Why(text(cell))
    except ValueError as exc:
        raise DamagedRow from exc
