"""WHAT: the plan. A listing and what the ledger remembers become one decision for each message.

Owns every reason for which a message is fetched, deleted or left. Pure: no I/O, no clock of its own, no
logging; the same arguments always give the same plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple

from mailsluice import __version__
from mailsluice.config.models import Mailbox
from mailsluice.failure import WAITING, Failure, Why
from mailsluice.message.recognition import Verdict
from mailsluice.model import Known, Listed, Listing, Memory, State, Window
from mailsluice.reason import Action, Reason

_NEVER = datetime.min.replace(tzinfo=UTC)

ON_RECORD = frozenset({State.STORED, State.GONE, State.SEEN})
"""States of messages that are done with, and may be looked for under another UIDL."""


REST = timedelta(hours=1)
"""What ended a session twice is tried no more often."""

DAILY = timedelta(days=1)
"""What is held, and may come right by itself, is tried so much later again."""

_MOST_DOUBLINGS = 6
"""Some two months."""

QUIET_FOR = timedelta(days=1)
"""So long at most a listing that left nothing to do is not looked at again while it stays the same."""


MOST_MESSAGES = 100_000
"""So many messages of a mailbox are looked at: more take too much time and memory in each poll."""


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


class Plan(NamedTuple):
    """What is to be done with each message of a listing: `reasons` has one for each, in its order.

    `reused` are the UIDLs listed that do not mean what the ledger takes them for: those listed twice, and
    those of messages marked as seen that another message has now.
    """

    listing: Sequence[Listed]
    reasons: Sequence[Reason]
    reused: frozenset[bytes]
    tried: Mapping[bytes, datetime] = MappingProxyType({})

    def to(self, action: Action) -> tuple[Listed, ...]:
        """The messages this action is for; last those that failed before, the latest at the end."""
        places = [place for place, reason in enumerate(self.reasons) if reason.action is action]
        places.sort(key=lambda place: self.tried.get(self.listing[place].uidl, _NEVER))
        return tuple(self.listing[place] for place in places)

    def because(self, reason: Reason) -> tuple[Listed, ...]:
        """The messages decided for this reason."""
        if reason not in self.reasons:  # most are for no message
            return ()
        return tuple(listed for listed, why in zip(self.listing, self.reasons, strict=True) if why is reason)


def window(mailbox: Mailbox) -> Window:
    """Which messages of a mailbox are looked at that has too many.

    Those that the policy deletes make room, so that the mailbox drains; new ones are listed last, and would
    wait for ever behind those that it keeps, or that were marked as seen.
    """
    if mailbox.leave_on_server is True:
        return Window(0, MOST_MESSAGES)
    last = max(1, MOST_MESSAGES // 10) if mailbox.leave_on_server is False else MOST_MESSAGES // 2
    return Window(MOST_MESSAGES - last, last)


def is_familiar(listed: Listed, row: Known | None) -> bool:
    """Whether a listed message is the one that the ledger has under its UIDL, as far as a listing tells."""
    return row is not None and not _size_differs(listed, row)


def plan(
    listing: Sequence[Listed],
    known: Mapping[bytes, Known],
    failures: Mapping[bytes, Failure],
    mailbox: Mailbox,
    now: datetime,
) -> Plan:
    """Decide for each message. At most `max_per_poll` are fetched: the first that `Plan.to` names."""
    twice = listed_twice(listing)
    reused, reasons = set(twice), []
    for listed in listing:
        before = known.get(listed.uidl)
        if listed.uidl in twice:
            reason = Reason.AMBIGUOUS
            if before is not None and before.state is State.SEEN:  # it must stay known
                reused.discard(listed.uidl)
        elif before is not None and before.state is State.SEEN and _is_another(listed, before):
            reused.add(listed.uidl)
            reason = _fetch_if_small_enough(listed, Reason.REUSED, mailbox)
        else:
            reason = _decide(listed, before, mailbox, now)
        if listed.uidl in failures:
            reason = _try_again(listed, reason, failures[listed.uidl], now)
        reasons.append(reason)
    tried = {uidl: failure.tried for uidl, failure in failures.items()}
    _limit(listing, reasons, tried, mailbox.max_per_poll)
    return Plan(listing, reasons, frozenset(reused), tried)


def after(reason: Reason, verdict: Verdict, row: Known, mailbox: Mailbox, now: datetime) -> Action:
    """What follows once the header of a message has been asked that was to be deleted, or was in doubt.

    Where nothing tells, a UIDL decides that was listed without a gap and with the same size, as POP3 promises
    (RFC 1939 §7). Without that the message is fetched: it comes twice rather than never.
    """
    if verdict is Verdict.OTHER:
        return Action.FETCH
    if verdict is Verdict.UNDECIDED and reason is Reason.DOUBTFUL:
        return Action.LEAVE if row.state is State.SEEN else Action.FETCH
    if verdict is Verdict.UNDECIDED and reason is Reason.UNSIZED:
        return Action.LEAVE
    return _delete_or_keep(row, mailbox, now).action


def _limit(
    listing: Sequence[Listed], reasons: list[Reason], tried: Mapping[bytes, datetime], most: int
) -> None:
    """Leave what is to be fetched beyond so many to the next poll; first of all what failed before."""
    places = [place for place, reason in enumerate(reasons) if reason.action is Action.FETCH]
    places.sort(key=lambda place: tried.get(listing[place].uidl, _NEVER))
    for place in places[most:]:
        reasons[place] = Reason.NEXT_POLL


def needs_identity(listed: Listed, known: Mapping[bytes, Known]) -> bool:
    """Whether this message is done with, and nothing is noted that it would be known again by.

    Not of one that may be another message than the one known: what its header says would be noted of that.
    """
    row = known.get(listed.uidl)
    if row is None or row.identified or row.state not in {State.STORED, State.SEEN}:
        return False
    return row.gone_since is None and not row.doubt and not _size_differs(listed, row)


def digest(listing: Listing, mailbox: Mailbox) -> bytes:
    """What tells all that a plan is made of, apart from the ledger and the time, from anything else."""
    decides = (__version__, mailbox.max_message, mailbox.leave_on_server)
    return sha256(repr(decides).encode() + listing.digest).digest()


def quiet(plan: Plan, memory: Memory, mailbox: Mailbox, now: datetime) -> datetime | None:
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


def listed_twice(listing: Sequence[Listed]) -> set[bytes]:
    """The UIDLs that several messages of a listing have."""
    seen: set[bytes] = set()
    twice: set[bytes] = set()
    if len({listed.uidl for listed in listing}) == len(listing):
        return twice
    for listed in listing:
        (twice if listed.uidl in seen else seen).add(listed.uidl)
    return twice


def _decide(listed: Listed, known: Known | None, mailbox: Mailbox, now: datetime) -> Reason:
    if known is None:
        return _fetch_if_small_enough(listed, Reason.NEW, mailbox)
    if known.state is State.OVERSIZE:
        if (known.octets or 0) > mailbox.max_message and known.listed_size == listed.size:
            return Reason.STILL_TOO_LARGE
        return _fetch_if_small_enough(listed, Reason.NEW, mailbox)
    differs = _size_differs(listed, known)
    if known.state is State.SEEN:
        return _of_seen(known, differs=differs)
    if differs or known.doubt or known.gone_since is not None:
        return Reason.DOUBTFUL
    reason = _delete_or_keep(known, mailbox, now)
    return Reason.UNSIZED if reason.action is Action.DELETE and _is_unsized(listed, known) else reason


def _of_seen(known: Known, *, differs: bool) -> Reason:
    if not known.identified:
        return Reason.CHANGED if differs else Reason.SEEN
    return Reason.DOUBTFUL if differs or known.doubt else Reason.SEEN


def is_due(failure: Failure, now: datetime) -> bool:
    """Whether what is held, and may come right by itself, is to be tried again.

    After a day. What ends sessions, later and later: a mailbox that is polled once a day has others between.
    """
    doublings = min(failure.times - 1, _MOST_DOUBLINGS) if failure.kind is Why.SILENT else 0
    return failure.take or now - failure.tried >= DAILY * 2 ** max(doublings, 0)


def _try_again(listed: Listed, reason: Reason, failure: Failure, now: datetime) -> Reason:
    """After the others if it failed before; once a day if it is set aside.

    One of another size under its UIDL may be another message, or a size that is told anew each time.
    """
    if reason.action is Action.LEAVE:
        return reason
    is_fetched = reason.action is Action.FETCH
    if failure.kind is Why.UNDELETED:
        return _undeleted(failure, now) if reason.action is Action.DELETE else reason
    if failure.kind is Why.SILENT:
        return reason if is_fetched or is_due(failure, now) else Reason.NOT_ASKED
    held = _held(listed, failure, now)
    if held is not None:
        return held
    if not is_fetched:
        return reason
    return Reason.APART if failure.kind is Why.BROKE else Reason.AGAIN


def _undeleted(failure: Failure, now: datetime) -> Reason:
    """How it is tried to delete a message whose deletion has ended a session."""
    if failure.quarantined and not is_due(failure, now):
        return Reason.UNDELETABLE
    return Reason.UNDELETED if now - failure.tried >= REST else Reason.UNDELETED_RESTING


def _held(listed: Listed, failure: Failure, now: datetime) -> Reason | None:
    """Why a message that failed before is not tried now, if it is not."""
    if failure.kind in WAITING:
        if is_due(failure, now):
            return None
        return Reason.SUBSTITUTED if failure.kind is Why.SUBSTITUTE else Reason.UNRECOGNISED
    if failure.quarantined and not _size_differs_from(listed, failure.listed_size):
        return None if is_due(failure, now) else Reason.QUARANTINED
    is_tired = failure.kind is Why.BROKE and failure.times > 1
    return Reason.RESTING if is_tired and now - failure.tried < REST else None


def _fetch_if_small_enough(listed: Listed, reason: Reason, mailbox: Mailbox) -> Reason:
    return Reason.TOO_LARGE if (listed.size or 0) > mailbox.max_message else reason


def _is_another(listed: Listed, known: Known) -> bool:
    """Whether a UIDL that comes back after an absence names another message.

    A recreated mailbox may count its UIDLs anew, and deleting a message for the sake of its namesake
    would lose it (docs/adr/0013-the-mail-is-asked-first.md).
    """
    return known.gone_since is not None and _size_differs(listed, known)


def _is_unsized(listed: Listed, known: Known) -> bool:
    """Whether a size would tell whether this is the message known, and this listing gives none."""
    return listed.size is None and known.listed_size is not None


def _size_differs(listed: Listed, known: Known) -> bool:
    """Whether LIST tells them apart: its sizes are estimates, but always the same for one message."""
    return _size_differs_from(listed, known.listed_size)


def _size_differs_from(listed: Listed, size: int | None) -> bool:
    return None not in (listed.size, size) and listed.size != size


def _delete_or_keep(known: Known, mailbox: Mailbox, now: datetime) -> Reason:
    leave = mailbox.leave_on_server
    if known.state is State.SEEN:
        return Reason.SEEN
    if leave is True:
        return Reason.KEPT
    if leave is not False and now - known.since < leave:
        return Reason.NOT_YET_AGED
    if known.leaving:
        return Reason.STILL_LISTED
    return Reason.STORED if leave is False else Reason.AGED
