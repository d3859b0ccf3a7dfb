"""The mailboxes: how often the ledger's rows of each were written, and the listing that left nothing to do.

Owns the mailbox table. No message or failure may be written but for a mailbox that is `touched` in the same
commit: a quiet listing stands for what the ledger knew when it was noted (docs/adr/0008-quiet-listings.md).
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
    """A name for the mailbox that fits into any name of a file: 32 hexadecimal digits."""
    return hashlib.sha256(f"{key.host}\0{key.address}".encode()).hexdigest()[:32]


def found(connection: sqlite3.Connection, key: MailboxKey) -> int:
    """The mailbox's row, made if missing."""
    connection.execute(_ADD, (key.host, key.address))
    return _there(connection, key)


def touched(connection: sqlite3.Connection, key: MailboxKey) -> int:
    """The mailbox's row, made if missing, for who is about to write messages or failures of it."""
    connection.execute(_TOUCH, (key.host, key.address))
    return _there(connection, key)


def _there(connection: sqlite3.Connection, key: MailboxKey) -> int:
    """The row of a mailbox that has one; where an index is damaged it may not be found."""
    row = connection.execute(_FIND, (key.host, key.address)).fetchone()
    if row is None:
        raise DamagedRow
    return whole(row[0])


def writes(connection: sqlite3.Connection, key: MailboxKey) -> int:
    """How often its messages and failures were written so far."""
    row = connection.execute(_FIND, (key.host, key.address)).fetchone()
    return 0 if row is None else whole(row[1])


def count_from(connection: sqlite3.Connection, mailbox: int, writes: int) -> None:
    """Have it that the mailbox was written so often, if it was less often."""
    connection.execute(_COUNT_FROM, (writes, mailbox))


def note_left(connection: sqlite3.Connection, mailbox: int, *, answered: bool) -> None:
    """Note that QUIT was said after messages were marked to be deleted, and whether it was answered well."""
    connection.execute("UPDATE mailbox SET left = left + 1, answered = ? WHERE id = ?", (answered, mailbox))


def note_marking(connection: sqlite3.Connection, mailbox: int) -> None:
    """Note that messages are marked to be deleted, for which QUIT is not answered yet."""
    connection.execute("UPDATE mailbox SET answered = 0 WHERE id = ?", (mailbox,))


def note_all_gone(connection: sqlite3.Connection, mailbox: int) -> None:
    """Note that all is gone that was to be deleted."""
    connection.execute("UPDATE mailbox SET left = 0 WHERE id = ?", (mailbox,))


def note_policy(connection: sqlite3.Connection, mailbox: int, policy: str) -> None:
    """Note what the mailbox leaves on the server now."""
    connection.execute("UPDATE mailbox SET policy = ? WHERE id = ?", (policy, mailbox))


def standing(connection: sqlite3.Connection, key: MailboxKey) -> tuple[int, bool, str | None]:
    """`left`, `answered` and `policy` of `model.Memory`."""
    row = connection.execute(_STANDING, (key.host, key.address)).fetchone()
    return (0, False, None) if row is None else (whole(row[0]), bool(row[1]), row[2])


def note_quiet(connection: sqlite3.Connection, mailbox: int, quiet: Quiet, writes: int) -> None:
    """Remember a quiet listing, if nobody has written more than these `writes` of what it stands for."""
    held = to_json(quiet.held)
    connection.execute(_NOTE_QUIET, (quiet.digest, to_micros(quiet.until), held, mailbox, writes))


def quiet(
    connection: sqlite3.Connection, key: MailboxKey, digest: bytes, now: datetime
) -> dict[str, int] | None:
    """What is held, if this listing is the quiet one, its time is not over, and nothing was written since."""
    row = (key.host, key.address, digest, to_micros(now))
    found = connection.execute(_QUIET, row).fetchone()
    return None if found is None else numbers(found[0])
