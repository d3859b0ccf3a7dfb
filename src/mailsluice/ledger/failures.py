"""The failures: which messages could not be fetched or deleted, how often in a row, and why.

Owns the failure table, the class that keeps the port, and the functions that other modules of the ledger
call in their own transactions. Must never decide what is tried again: `policy` does.
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
# Failures of one kind are counted together; another kind starts at zero. "Refused" and "broke" both mean that
# the server does not hand out the message, so they count as one kind.
_SAME = """
    (kind = excluded.kind OR (kind IN ('refused', 'broke') AND excluded.kind IN ('refused', 'broke')))
"""
# WHERE: "silent" only says that the header could not be asked for. It must not replace the count of a message
# that could not be fetched.
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
        """The failure of every message of the mailbox that failed when it was last tried, by UIDL."""
        with self._database.reading() as connection:
            return read(connection, key)

    def note(self, key: MailboxKey, failed: Mapping[Listed, Failure]) -> Sequence[Listed]:
        """Note a failure of each message; see `session.ports.Failures.note`."""
        with self._database.writing() as connection:
            return _note(connection, mailboxes.touched(connection, key), failed)

    def note_header(self, key: MailboxKey, uidl: bytes, header: bytes) -> None:
        """Keep the header of a message in quarantine; empty if the server did not give it."""
        with self._database.writing() as connection:
            connection.execute(_NOTE_HEADER, (header, mailboxes.touched(connection, key), uidl))

    def retry(self, key: MailboxKey, uidls: Collection[bytes]) -> int:
        """Forget the failures of these, so that the next poll tries them. Returns how many had any."""
        with self._database.writing() as connection:
            return forget(connection, mailboxes.touched(connection, key), uidls)

    def take(self, key: MailboxKey, uidls: Collection[bytes]) -> int:
        """Note that the next poll stores these, whatever comes. Returns how many had a failure."""
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            return connection.executemany(_TAKE, [(mailbox, uidl) for uidl in uidls]).rowcount


def forget(connection: sqlite3.Connection, mailbox: int, uidls: Collection[bytes]) -> int:
    """Forget the failures of these messages. Returns how many had any."""
    if connection.execute("SELECT 1 FROM failure WHERE mailbox = ?", (mailbox,)).fetchone() is None:
        return 0  # the usual case: then no statement is needed for each message of a batch
    rows = [(mailbox, uidl) for uidl in uidls]
    return connection.executemany("DELETE FROM failure WHERE mailbox = ? AND uidl = ?", rows).rowcount


def read(connection: sqlite3.Connection, key: MailboxKey) -> dict[bytes, Failure]:
    """The failure of every message of a mailbox that failed when it was last tried, by UIDL."""
    found = connection.execute(_MAILBOX, (key.host, key.address)).fetchone()
    return {} if found is None else _read(connection, found[0])


def quarantined(connection: sqlite3.Connection) -> Counter[int]:
    """How many messages of each mailbox are set aside, by the mailbox's row id."""
    with_failures = [mailbox for (mailbox,) in connection.execute("SELECT DISTINCT mailbox FROM failure")]
    return Counter(
        {
            mailbox: sum(failure.quarantined for failure in _read(connection, mailbox).values())
            for mailbox in with_failures
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
    """Note a failure of each of these messages. Returns those that are set aside now, and were not before."""
    rows = [
        (
            mailbox,
            message.uidl,
            failure.times,
            to_micros(failure.last),
            failure.error,
            message.size,
            failure.kind.value,
            to_micros(failure.tried),
            to_micros(failure.tried),  # `first`, unless the row has an earlier one
            failure.header,
        )
        for message, failure in failed.items()
    ]
    before = _read(connection, mailbox)
    connection.executemany(_NOTE, rows)
    after = _read(connection, mailbox)
    return [
        message
        for message in failed
        if after[message.uidl].quarantined
        and not (message.uidl in before and before[message.uidl].quarantined)
    ]


def _why(cell: object) -> Why:
    try:
        return Why(text(cell))
    except ValueError as exc:
        raise DamagedRow from exc
