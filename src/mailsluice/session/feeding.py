"""Feeding: which ledger feeds a mailbox's sink, where several could.

Owns the taking over from another ledger, which an administrator asks for. Must never fetch or delete on the
server.
"""

from __future__ import annotations

from mailsluice.config.models import Mailbox
from mailsluice.session.context import Context
from mailsluice.session.hold import held


def adopt(mailbox: Mailbox, context: Context) -> None:
    """Let this ledger take the place of every other one that feeds the mailbox's sink with this mailbox.

    Raises SinkError, LedgerError, and MailboxLocked where one of them is at work.
    """
    with context.ledger.leases.hold(mailbox.key):
        context.open_sink(mailbox).adopt()
        with held(mailbox, context):
            pass  # what it had half done is settled, and the directory is ours
