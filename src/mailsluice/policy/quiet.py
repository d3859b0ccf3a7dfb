"""Quiet: how long a listing that leaves nothing to do need not be looked at again.

Owns what makes a listing quiet (docs/adr/0008-quiet-listings.md). Pure. Must never plan: it is told the plan.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from mailsluice import __version__
from mailsluice.config.models import Mailbox
from mailsluice.model import Listing, Memory
from mailsluice.policy.plan import Plan
from mailsluice.policy.reason import Reason
from mailsluice.policy.retrying import DAILY
from mailsluice.policy.sameness import needs_identity

QUIET_FOR = timedelta(days=1)
"""So long at most a listing that left nothing to do is not looked at again while it stays the same."""


_QUIET = frozenset(
    {
        Reason.KEPT,
        Reason.NOT_YET_AGED,
        Reason.STILL_TOO_LARGE,
        Reason.SEEN,
        Reason.QUARANTINED,
        Reason.SUBSTITUTED,
        Reason.UNRECOGNISED,
        Reason.UNDELETABLE,
    }
)
"""Reasons that ask for nothing, not even a word in the log."""


def digest(listing: Listing, mailbox: Mailbox) -> bytes:
    """What tells all that a plan is made of, apart from the ledger and the time, from anything else."""
    decides = (__version__, mailbox.max_message, mailbox.leave_on_server)
    return sha256(repr(decides).encode() + listing.digest).digest()


def quiet_until(plan: Plan, memory: Memory, mailbox: Mailbox, now: datetime) -> datetime | None:
    """Until when the same listing has the same plan and nothing follows from it; None if something does.

    As long as the ledger knows what it knows now (docs/adr/0008-quiet-listings.md).
    """
    reasons = set(plan.reasons)
    if not reasons <= _QUIET:
        return None
    held = [memory.failures[listed.uidl] for listed in plan.because(Reason.QUARANTINED)]
    if any(failure.header is None for failure in held):
        return None  # it is to be asked for
    if any(needs_identity(listed, memory.known) for listed in plan.listing):
        return None
    until = now + QUIET_FOR
    if Reason.NOT_YET_AGED in reasons and isinstance(mailbox.leave_on_server, timedelta):
        oldest = min(memory.known[listed.uidl].since for listed in plan.because(Reason.NOT_YET_AGED))
        until = min(until, oldest + mailbox.leave_on_server)
    for reason in (Reason.SUBSTITUTED, Reason.UNRECOGNISED, Reason.QUARANTINED, Reason.UNDELETABLE):
        for listed in plan.because(reason):
            until = min(until, memory.failures[listed.uidl].tried + DAILY)
    return until
