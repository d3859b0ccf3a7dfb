"""Planning: what a listing comes to, beside what the ledger knows, and what an administrator hears of it.

Owns that the ledger notes a listing before anything is done by it. Must never decide for a message: that is
`policy`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailsluice.failure import Held
from mailsluice.model import Confirmation, Listing, Memory, Quiet
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.policy.plan import MOST_MESSAGES, Plan, make_plan, window
from mailsluice.policy.quiet import digest, quiet_until
from mailsluice.policy.reason import Action, Reason
from mailsluice.session import batch
from mailsluice.session.context import Session
from mailsluice.session.takeover import take_over

LARGE = MOST_MESSAGES * 8 // 10
"""From so many messages on the mailbox's size is warned of."""

OFTEN = 2
"""So many sessions that ask in vain for the same deletions are no accident."""

_WARNINGS = {
    Reason.REUSED: events.UIDL_REUSED,
    Reason.CHANGED: events.UIDL_CHANGED,
}
_MOST_NAMED = 20
"""Messages too large that are reported in one poll: those beyond are reported by the polls to come."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and the memory that it was made with."""

    plan: Plan
    memory: Memory


def is_quiet(listing: Listing, session: Session) -> bool:
    """Whether an earlier poll found that this very listing leaves nothing to do, and that still holds."""
    ledger, mailbox, counts = session.context.ledger, session.mailbox, session.counts
    counts.listed = listing.total
    held = ledger.messages.quiet(mailbox.key, digest(listing, mailbox), ledger.now())
    if held is not None:
        counts.held = held
    return held is not None


def plan_for(listing: Listing, session: Session) -> Planned:
    """Plan what is to be done, and have the ledger note the listing. Raises LedgerError and ServerError."""
    mailbox, context, counts = session.mailbox, session.context, session.counts
    take_over(listing, session)
    uidls = [listed.uidl for listed in listing]
    now = context.ledger.now()
    memory = context.ledger.messages.recall(mailbox.key, uidls)
    plan = make_plan(listing, memory.known, memory.failures, mailbox, now)
    counts.hold(plan, listing, memory.failures)
    until = quiet_until(plan, memory, mailbox, now)
    quiet = None if until is None else Quiet(digest(listing, mailbox), until, counts.all_held or {})
    noted = Confirmation(
        listed=uidls,
        reused=plan.reused,
        doubtful=[listed.uidl for listed in plan.because(Reason.DOUBTFUL)],
        is_whole=listing.is_whole,
        has_all=not listing.beyond,
        quiet=quiet,
        policy=str(mailbox.leave_on_server),
    )
    context.ledger.messages.confirm(mailbox.key, memory, noted, now)
    wanted = (*plan.to(Action.FETCH), *plan.to(Action.APART), *plan.because(Reason.NEXT_POLL))
    counts.wanted = len(wanted)
    too_large = plan.because(Reason.TOO_LARGE)[:_MOST_NAMED]
    batch.note_oversize({listed: listed.size or 0 for listed in too_large}, mailbox, context)
    _warn_of_deletions(plan, memory, session)
    _warn_of_listing(listing, session)
    for reason, event in _WARNINGS.items():
        events.name_messages(_log, event, plan.because(reason))
    return Planned(plan, memory)


def _warn_of_deletions(plan: Plan, memory: Memory, session: Session) -> None:
    """Say what should be gone, and what is deleted that stayed by another policy."""
    still = len(plan.because(Reason.STILL_LISTED))
    if still and memory.left:  # else no session came to ask for anything
        _log.warning(
            events.STILL_LISTED,
            messages=still,
            remedy="they are stored, and asked for once more; if they stay, the server undoes deletions: ask "
            "who runs it, or delete them by hand",
        )
    if memory.left >= OFTEN and still:
        session.counts.still_listed = still
        session.counts.keep(Held.UNDELETABLE, still)
    kept = len(plan.because(Reason.STORED)) + len(plan.because(Reason.AGED))
    later = len(plan.because(Reason.NOT_YET_AGED))
    if kept + later and memory.policy not in {None, str(session.mailbox.leave_on_server)}:
        _log.warning(
            events.DELETING_OLD,
            messages=kept,
            later=later,
            remedy=f"leave_on_server of {session.mailbox.name} was changed: these go now, {later} as they "
            "age; their headers are asked before",
        )


def _warn_of_listing(listing: Listing, session: Session) -> None:
    """Say what the listing does not show, or soon will not."""
    if listing.total >= LARGE:
        _log.warning(
            events.MAILBOX_LARGE,
            messages=listing.total,
            beyond=listing.beyond,
            remedy=f"move old mail out of the inbox: of more than {MOST_MESSAGES} messages "
            f"{_looked_at(session)} are looked at",
        )
    if listing.unusable:
        _log.warning(events.LISTING_UNUSABLE, messages=listing.unusable, examples=list(listing.examples))


def _looked_at(session: Session) -> str:
    looked_at = window(session.mailbox)
    counts = {"first": looked_at.first, "last": looked_at.last}
    return " and ".join(f"the {place} {count}" for place, count in counts.items() if count)
