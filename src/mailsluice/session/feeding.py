"""Feeding: which ledger feeds a mailbox's sink, if several could.

Owns how this ledger takes a sink over from another one, when an administrator asks for it. Must never fetch
or delete on the server.
"""

from __future__ import annotations

from mailsluice.config.models import Mailbox
from mailsluice.session.context import Context
from mailsluice.session.hold import held


def adopt(mailbox: Mailbox, context: Context) -> None:
    """Make this ledger the only one that feeds the mailbox's sink with this mailbox.

    Raises SinkError, LedgerError, and MailboxLocked if another ledger is polling the mailbox now.
    """
    with context.ledger.leases.hold(mailbox.key):
        context.open_sink(mailbox).adopt()
        with held(mailbox, context):
            pass  # `held` settles what our ledger had half done, and claims the directory
