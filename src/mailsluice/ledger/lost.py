"""The lost: messages that may be listed now under another UIDL than the one the ledger knows.

They vanished from the server without our deleting them, or their UIDLs are in doubt. For example, a clerk
moves mail to a folder and back, or a mailbox is moved to another server: then a message has a new UIDL. Owns
the search for them by identity. Must never decide that two messages are the same: the session does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from mailsluice.ledger import failures, mailboxes, message_rows
from mailsluice.ledger.database import Database
from mailsluice.ledger.rows import octets
from mailsluice.ledger.times import from_micros
from mailsluice.model import Listed, MailboxKey

_LOST = """
    mailbox = (SELECT id FROM mailbox WHERE host = ? AND address = ?)
    AND (gone_since IS NOT NULL OR doubt = 1) AND leaving = 0
"""
_ANY = f"SELECT 1 FROM message INDEXED BY lost WHERE {_LOST} LIMIT 1"  # noqa: S608  a constant
_FIND = f"""
    SELECT uidl FROM message AS one INDEXED BY lost WHERE {_LOST} AND identity = ? AND NOT EXISTS (
        SELECT 1 FROM message AS two INDEXED BY known_again
        WHERE two.identity = one.identity AND two.mailbox = one.mailbox AND two.uidl != one.uidl
    )
"""  # noqa: S608  a constant
_NAMELESS = tuple(
    f"SELECT count(*) FROM message INDEXED BY lost WHERE {_LOST} AND gone_since IS NOT NULL AND {nothing}"  # noqa: S608
    for nothing in ("identity IS NULL", "identity = x''")  # two queries: each is one range of the index
)
_HANDLED = """
    SELECT count(*) FROM message WHERE mailbox = (SELECT id FROM mailbox WHERE host = ? AND address = ?)
    AND leaving = 0 AND state != 'staged' AND state != 'oversize'
"""
_LAST_SUCCESS = """
    SELECT last_success FROM report WHERE mailbox = (SELECT id FROM mailbox WHERE host = ? AND address = ?)
"""


_FIRST_GONE = f"SELECT min(gone_since) FROM message INDEXED BY lost WHERE {_LOST}"  # noqa: S608  a constant


class Lost:
    """Keeps the promises of `session.ports.Lost`. Every method raises LedgerError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def any(self, key: MailboxKey) -> bool:
        """Whether the mailbox has any."""
        with self._database.reading() as connection:
            return connection.execute(_ANY, (key.host, key.address)).fetchone() is not None

    def find(self, key: MailboxKey, identity: bytes) -> bytes | None:
        """The UIDL of the lost message with this identity, if no other message of the mailbox has it."""
        with self._database.reading() as connection:
            found = connection.execute(_FIND, (key.host, key.address, identity)).fetchone()
            return None if found is None else octets(found[0])

    def mostly_nameless(self, key: MailboxKey) -> bool:
        """Whether more than half of the known messages are lost and have no identity."""
        with self._database.reading() as connection:
            nameless = sum(
                connection.execute(query, (key.host, key.address)).fetchone()[0] for query in _NAMELESS
            )
            if not nameless:
                return False
            (known,) = connection.execute(_HANDLED, (key.host, key.address)).fetchone()
            return bool(2 * nameless > known)

    def there_until(self, key: MailboxKey) -> datetime | None:
        """The last good poll, or the poll that first missed one of them if that was earlier.

        None if no poll went well yet.
        """
        with self._database.reading() as connection:
            found = connection.execute(_LAST_SUCCESS, (key.host, key.address)).fetchone()
            (gone,) = connection.execute(_FIRST_GONE, (key.host, key.address)).fetchone()
            times = [time for time in (found and found[0], gone) if time is not None]
            return from_micros(min(times)) if found and found[0] is not None else None

    def come_back(self, key: MailboxKey, found: Mapping[bytes, Listed], now: datetime) -> None:
        """Give rows new UIDLs in the place of old ones, in one commit; see `session.ports.Lost.come_back`."""
        if found:
            with self._database.writing() as connection:
                mailbox = mailboxes.touched(connection, key)
                # First: `rename` gives a UIDL to another message only if the row that has it is gone.
                message_rows.gone(
                    connection, mailbox, {new.uidl for new in found.values()} - found.keys(), now
                )
                message_rows.rename(connection, mailbox, found)
                failures.forget(connection, mailbox, [new.uidl for new in found.values()])

    def leave(self, key: MailboxKey, uidls: Collection[bytes]) -> None:
        """Note that we ask the server to delete these: when they vanish, they are not lost."""
        if uidls:
            with self._database.writing() as connection:
                mailbox = mailboxes.touched(connection, key)
                message_rows.leave(connection, mailbox, uidls)
                mailboxes.note_marking(connection, mailbox)

    def left(self, key: MailboxKey, *, answered: bool) -> None:
        """Note that a session said QUIT to delete what it had marked, and got a good answer or not."""
        with self._database.writing() as connection:
            mailboxes.note_left(connection, mailboxes.found(connection, key), answered=answered)
