"""Planning: makes the plan for a listing, has the ledger note it, and tells an administrator about it.

Owns that the ledger notes a listing before anything is done because of it. Must never decide for a message:
that is `policy`.
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
"""A mailbox with this many messages or more is warned of."""

OFTEN = 2
"""If so many sessions ask in vain for the same deletions, the server is at fault. One may be an accident:
its connection broke at QUIT."""

_WARNINGS = {
    Reason.REUSED: events.UIDL_REUSED,
    Reason.CHANGED: events.UIDL_CHANGED,
}
_MOST_NAMED = 20
"""At most this many messages are reported as too large in one poll; later polls report the others."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what the ledger knew when it was made."""

    plan: Plan
    memory: Memory


def is_quiet(listing: Listing, session: Session) -> bool:
    """Whether an earlier poll found that this same listing leaves nothing to do, and this is still true."""
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
    now = context.ledger.now()
    memory = context.ledger.messages.recall(mailbox.key, (listed.uidl for listed in listing))
    plan = make_plan(listing, memory.known, memory.failures, mailbox, now)
    counts.hold(plan, listing, memory.failures)
    until = quiet_until(plan, memory, mailbox, now)
    quiet = None if until is None else Quiet(digest(listing, mailbox), until, counts.all_held or {})
    noted = Confirmation(
        listed=(listed.uidl for listed in listing),
        reused=plan.reused,
        doubtful=[listed.uidl for listed in plan.because(Reason.DOUBTFUL)],
        is_whole=listing.is_whole,
        has_all=not listing.beyond,
        quiet=quiet,
        policy=str(mailbox.leave_on_server),
    )
    # Before anything is done: this puts rows in doubt, and a row in doubt gives no permit to delete.
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
    """Warn of messages that should be gone, and of messages that are deleted by a changed policy."""
    still = len(plan.because(Reason.STILL_LISTED))
    if still and memory.left:  # else no session came to its QUIT, and the server was not asked yet
        _log.warning(
            events.STILL_LISTED,
            messages=still,
            remedy="they are stored, and the server is asked again to delete them; if they stay, it undoes "
            "deletions: ask who runs it, or delete them by hand",
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
            remedy=f"leave_on_server of {session.mailbox.name} was changed: these are deleted now, and "
            f"{later} more when they are old enough; before that their headers are asked for",
        )


def _warn_of_listing(listing: Listing, session: Session) -> None:
    """Warn of messages that the listing does not show, or soon will not show."""
    if listing.total >= LARGE:
        _log.warning(
            events.MAILBOX_LARGE,
            messages=listing.total,
            beyond=listing.beyond,
            remedy=f"move old mail out of the inbox: of more than {MOST_MESSAGES} messages, only "
            f"{_looked_at(session)} are looked at",
        )
    if listing.unusable:
        _log.warning(events.LISTING_UNUSABLE, messages=listing.unusable, examples=list(listing.examples))


def _looked_at(session: Session) -> str:
    looked_at = window(session.mailbox)
    counts = {"first": looked_at.first, "last": looked_at.last}
    return " and ".join(f"the {end} {count}" for end, count in counts.items() if count)
