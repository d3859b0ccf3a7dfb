"""A nursery whose children are let down by the C library. See `crash.victim`, `fault` and `failing.c`."""

from __future__ import annotations

import mailsluice.ledger.database
from crash.victim import nursery
from faults.fault import seal

mailsluice.ledger.database._BUSY_SECONDS = 0.2
"""So long it waits for a ledger that is locked: it is for good here, and the tests wait for it to give up."""

if __name__ == "__main__":
    nursery(seal)
