"""Quiet: a listing with nothing to do, and how long it need not be examined again.

Owns what makes a listing quiet (docs/adr/0008-quiet-listings.md). Pure. Must never plan: it is given the
plan.
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
"""A quiet listing that stays the same is examined again after this time at the latest."""


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
"""Reasons that need no action and no line in the log."""


def digest(listing: Listing, mailbox: Mailbox) -> bytes:
    """A digest of everything that a plan is made from, except the ledger's rows and the time."""
    settings = (__version__, mailbox.max_message, mailbox.leave_on_server)
    return sha256(repr(settings).encode() + listing.digest).digest()


def quiet_until(plan: Plan, memory: Memory, mailbox: Mailbox, now: datetime) -> datetime | None:
    """Until when the same listing gives the same plan with nothing to do; None if there is something to do.

    This is true only while nobody writes to the mailbox's rows in the ledger
    (docs/adr/0008-quiet-listings.md).
    """
    reasons = set(plan.reasons)
    if not reasons <= _QUIET:
        return None
    held = [memory.failures[listed.uidl] for listed in plan.because(Reason.QUARANTINED)]
    if any(failure.header is None for failure in held):
        return None  # `quarantine.describe` still has to ask for it
    if any(needs_identity(listed, memory.known) for listed in plan.listing):
        return None  # `identifying` still has to ask for headers
    until = now + QUIET_FOR
    if Reason.NOT_YET_AGED in reasons and isinstance(mailbox.leave_on_server, timedelta):
        oldest = min(memory.known[listed.uidl].since for listed in plan.because(Reason.NOT_YET_AGED))
        until = min(until, oldest + mailbox.leave_on_server)
    for reason in (Reason.SUBSTITUTED, Reason.UNRECOGNISED, Reason.QUARANTINED, Reason.UNDELETABLE):
        for listed in plan.because(reason):
            until = min(until, memory.failures[listed.uidl].tried + DAILY)
    return until
