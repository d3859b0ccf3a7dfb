"""STATE: the durable record of every message, and the lease on every mailbox.

What other packages need of it stands here: how it is opened (`open_ledger`), and what belongs to a state
directory beside it.
"""

from mailsluice.ledger.backup import LedgerCopy
from mailsluice.ledger.directory import usable
from mailsluice.ledger.ledger import Ledger, is_begun, open_ledger, place
from mailsluice.ledger.lock import ServiceLock, serving

__all__ = ["Ledger", "LedgerCopy", "ServiceLock", "is_begun", "open_ledger", "place", "serving", "usable"]
