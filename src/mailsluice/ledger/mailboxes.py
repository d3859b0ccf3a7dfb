"""The mailboxes: how often the rows of each were written, and its quiet listing.

Owns the mailbox table. Must never let a quiet listing outlive a change: so every function that writes a
message or a failure calls `touched` for its mailbox in the same commit (docs/adr/0008-quiet-listings.md).
"""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import datetime

from mailsluice.ledger.rows import DamagedRow, numbers, to_json, whole
from mailsluice.ledger.times import to_micros
from mailsluice.model import MailboxKey, Quiet

_ADD = "INSERT INTO mailbox (host, address) VALUES (?, ?) ON CONFLICT DO NOTHING"
_TOUCH = """
    INSERT INTO mailbox (host, address, writes) VALUES (?, ?, 1)
    ON CONFLICT DO UPDATE SET writes = writes + 1
"""
_FIND = "SELECT id, writes FROM mailbox WHERE host = ? AND address = ?"
_STANDING = "SELECT left, answered, policy FROM mailbox WHERE host = ? AND address = ?"
_COUNT_FROM = "UPDATE mailbox SET writes = max(writes, ?) WHERE id = ?"
_NOTE_QUIET = """
    UPDATE mailbox SET quiet = ?, quiet_until = ?, quiet_held = ?, quiet_writes = writes
    WHERE id = ? AND writes = ?
"""
_QUIET = """
    SELECT quiet_held FROM mailbox
    WHERE host = ? AND address = ? AND quiet = ? AND quiet_writes = writes AND quiet_until > ?
"""


def digest(key: MailboxKey) -> str:
    """A name for the mailbox that any file name can contain: 32 hexadecimal digits."""
    return hashlib.sha256(f"{key.host}\0{key.address}".encode()).hexdigest()[:32]


def found(connection: sqlite3.Connection, key: MailboxKey) -> int:
    """The id of the mailbox's row, which is made if it is missing."""
    connection.execute(_ADD, (key.host, key.address))
    return _id(connection, key)


def touched(connection: sqlite3.Connection, key: MailboxKey) -> int:
    """The same, for a caller that writes messages or failures of the mailbox in this transaction."""
    connection.execute(_TOUCH, (key.host, key.address))
    return _id(connection, key)


def _id(connection: sqlite3.Connection, key: MailboxKey) -> int:
    """The id of a row that was just written. It is not found if the table's index is damaged."""
    row = connection.execute(_FIND, (key.host, key.address)).fetchone()
    if row is None:
        raise DamagedRow
    return whole(row[0])


def writes(connection: sqlite3.Connection, key: MailboxKey) -> int:
    """How often the mailbox's messages and failures were written so far."""
    row = connection.execute(_FIND, (key.host, key.address)).fetchone()
    return 0 if row is None else whole(row[1])


def count_from(connection: sqlite3.Connection, mailbox: int, writes: int) -> None:
    """Raise the number of the mailbox's writes to `writes`, if it is smaller."""
    connection.execute(_COUNT_FROM, (writes, mailbox))


def note_left(connection: sqlite3.Connection, mailbox: int, *, answered: bool) -> None:
    """Note that a session said QUIT to delete what it had marked, and whether it got a good answer."""
    connection.execute("UPDATE mailbox SET left = left + 1, answered = ? WHERE id = ?", (answered, mailbox))


def note_marking(connection: sqlite3.Connection, mailbox: int) -> None:
    """Note that messages are marked to be deleted: the QUIT that deletes them has no good answer yet."""
    connection.execute("UPDATE mailbox SET answered = 0 WHERE id = ?", (mailbox,))


def note_all_gone(connection: sqlite3.Connection, mailbox: int) -> None:
    """Note that every message that we asked the server to delete is gone."""
    connection.execute("UPDATE mailbox SET left = 0 WHERE id = ?", (mailbox,))


def note_policy(connection: sqlite3.Connection, mailbox: int, policy: str) -> None:
    """Note the mailbox's `leave_on_server`, as text."""
    connection.execute("UPDATE mailbox SET policy = ? WHERE id = ?", (policy, mailbox))


def standing(connection: sqlite3.Connection, key: MailboxKey) -> tuple[int, bool, str | None]:
    """`left`, `answered` and `policy` of `model.Memory`."""
    row = connection.execute(_STANDING, (key.host, key.address)).fetchone()
    return (0, False, None) if row is None else (whole(row[0]), bool(row[1]), row[2])


def note_quiet(connection: sqlite3.Connection, mailbox: int, quiet: Quiet, writes: int) -> None:
    """Remember a quiet listing, unless the mailbox's rows were written more often than `writes` by now."""
    held = to_json(quiet.held)
    connection.execute(_NOTE_QUIET, (quiet.digest, to_micros(quiet.until), held, mailbox, writes))


def quiet(
    connection: sqlite3.Connection, key: MailboxKey, digest: bytes, now: datetime
) -> dict[str, int] | None:
    """What a listing with this digest holds, if it is the quiet one; None for any other.

    It is the quiet one until its time is over, or until a message or a failure of the mailbox is written.
    """
    row = (key.host, key.address, digest, to_micros(now))
    found = connection.execute(_QUIET, row).fetchone()
    return None if found is None else numbers(found[0])
