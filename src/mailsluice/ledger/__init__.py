"""STATE: the durable record of every message, and the lease on every mailbox.

Owns what other packages may import of it: how the ledger is opened (`open_ledger`), how it is copied, and
the daemon's lock on the state directory. Must never hold code.
"""

from mailsluice.ledger.backup import LedgerCopy
from mailsluice.ledger.directory import usable
from mailsluice.ledger.ledger import Ledger, is_begun, open_ledger, place
from mailsluice.ledger.lock import ServiceLock, serving

__all__ = ["Ledger", "LedgerCopy", "ServiceLock", "is_begun", "open_ledger", "place", "serving", "usable"]
