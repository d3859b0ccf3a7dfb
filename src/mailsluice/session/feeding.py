"""Feeding: which ledger feeds a mailbox's sink, where several could.

Owns the taking over from another ledger, which an administrator asks for. Must never fetch or delete on the
server.
"""

from __future__ import annotations

from mailsluice.config.models import Mailbox
from mailsluice.session.hold import note_where
from mailsluice.session.parts import Parts


def adopt(mailbox: Mailbox, parts: Parts) -> None:
    """Let this ledger take the place of every other one that feeds the mailbox's sink with this mailbox.

    Raises SinkError, LedgerError, and MailboxLocked where one of them is at work.
    """
    sink = parts.open_sink(mailbox)
    with (
        parts.ledger.lock(mailbox.key),
        sink.adopt(parts.ledger.stagings.known(mailbox.key, sink.spec)) as staging,
    ):
        note_where(staging.where, mailbox, parts)
