"""The aliases: mailboxes of the ledger that may be one mailbox under several names.

Owns the search for them, and the renaming of a mailbox. Must never decide that two are the same: the
session decides that, by the headers of their messages.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from mailsluice.ledger import mailboxes, message_rows
from mailsluice.ledger.database import Database
from mailsluice.ledger.rows import text
from mailsluice.model import MailboxKey

_HAS_ROWS = """
    SELECT 1 FROM message WHERE mailbox = (SELECT id FROM mailbox WHERE host = ? AND address = ?) LIMIT 1
"""
_OTHERS = """
    SELECT host, address FROM mailbox WHERE (host, address) != (?, ?) AND EXISTS (
        SELECT 1 FROM message WHERE message.mailbox = mailbox.id AND (gone_since IS NULL OR address = ?)
    )
    ORDER BY NOT EXISTS (SELECT 1 FROM message WHERE message.mailbox = mailbox.id AND gone_since IS NULL)
"""
_ALSO_IN = """
    SELECT host, address FROM message INDEXED BY known_again JOIN mailbox ON id = mailbox
    WHERE identity = ? AND (host, address) != (?, ?)
"""
_FORGET = (
    "DELETE FROM report WHERE mailbox = ?",
    "DELETE FROM failure WHERE mailbox = ?",
    "DELETE FROM staging WHERE mailbox = ?",
    "DELETE FROM mailbox WHERE id = ?",
)
_RENAME = "UPDATE mailbox SET host = ?, address = ?, writes = writes + 1 WHERE id = ?"


class Aliases:
    """Keeps the promises of `session.ports.Aliases`. Every method raises LedgerError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_blank(self, key: MailboxKey) -> bool:
        """Whether no message of this mailbox is known."""
        with self._database.reading() as connection:
            return connection.execute(_HAS_ROWS, (key.host, key.address)).fetchone() is None

    def others(self, key: MailboxKey) -> Sequence[MailboxKey]:
        """The other mailboxes that had messages in their last listing, as far as is known.

        Mailboxes of the same address on another host count if any message of them is known. They come last.
        """
        with self._database.reading() as connection:
            rows = connection.execute(_OTHERS, (key.host, key.address, key.address)).fetchall()
        return [_key(*row) for row in rows]

    def also_in(self, key: MailboxKey, identities: Collection[bytes]) -> Mapping[MailboxKey, int]:
        """How many of these identities messages of other mailboxes have, too, by mailbox."""
        found: Counter[MailboxKey] = Counter()
        with self._database.reading() as connection:
            for identity in identities:
                rows = connection.execute(_ALSO_IN, (identity, key.host, key.address)).fetchall()
                found.update({_key(*row) for row in rows})  # a set: two messages of a mailbox may have it
        return found

    def rename(self, old: MailboxKey, new: MailboxKey, *, is_proven: bool, now: datetime) -> None:
        """Give all that is known of `old` to `new`, of which no message is known yet.

        If it is not proven that they are the same mailbox, every row is in doubt, and the UIDL of a row
        without an identity decides nothing.
        """
        with self._database.writing() as connection:
            # A poll may have left a report for the new name. The name has to be free for the old row.
            _forget(connection, mailboxes.found(connection, new))
            mailbox = mailboxes.found(connection, old)
            # The staging directory is named after the old mailbox: the new one gets its own.
            connection.execute("DELETE FROM staging WHERE mailbox = ?", (mailbox,))
            connection.execute(_RENAME, (new.host, new.address, mailbox))
            if not is_proven:
                message_rows.doubt(connection, mailbox)
                message_rows.forget_nameless(connection, mailbox, now)


def _forget(connection: sqlite3.Connection, mailbox: int) -> None:
    for statement in _FORGET:
        connection.execute(statement, (mailbox,))


def _key(host: object, address: object) -> MailboxKey:
    return MailboxKey(text(host), text(address))
