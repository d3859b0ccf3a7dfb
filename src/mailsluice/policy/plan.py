"""The plan: one decision for each message, and its reason.

Owns every reason for which a message is fetched, deleted or left. Pure: no I/O, no clock of its own, no
logging; the same arguments always give the same plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from mailsluice.config.models import Mailbox
from mailsluice.failure import Failure
from mailsluice.message.recognition import Verdict
from mailsluice.model import Known, Listed, State, Window
from mailsluice.policy.reason import Action, Reason
from mailsluice.policy.retrying import try_again
from mailsluice.policy.sameness import is_another, is_unsized, listed_twice, size_differs

_NEVER = datetime.min.replace(tzinfo=UTC)


ON_RECORD = frozenset({State.STORED, State.GONE, State.SEEN})
"""States of messages that are done with, and may be looked for under another UIDL."""


MOST_MESSAGES = 100_000
"""So many messages of a mailbox are looked at: more take too much time and memory in each poll."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done with each message of a listing: `reasons` has one for each, in its order.

    `reused` are the UIDLs listed that do not mean what the ledger takes them for: those listed twice, and
    those of messages marked as seen that another message has now.
    """

    listing: Sequence[Listed]
    reasons: Sequence[Reason]
    reused: frozenset[bytes]
    tried: Mapping[bytes, datetime] = field(default_factory=lambda: MappingProxyType({}))

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


def make_plan(
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
        elif before is not None and before.state is State.SEEN and is_another(listed, before):
            reused.add(listed.uidl)
            reason = _fetch_if_small_enough(listed, Reason.REUSED, mailbox)
        else:
            reason = _decide(listed, before, mailbox, now)
        if listed.uidl in failures:
            reason = try_again(listed, reason, failures[listed.uidl], now)
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


def _decide(listed: Listed, known: Known | None, mailbox: Mailbox, now: datetime) -> Reason:
    if known is None:
        return _fetch_if_small_enough(listed, Reason.NEW, mailbox)
    if known.state is State.OVERSIZE:
        if (known.octets or 0) > mailbox.max_message and known.listed_size == listed.size:
            return Reason.STILL_TOO_LARGE
        return _fetch_if_small_enough(listed, Reason.NEW, mailbox)
    differs = size_differs(listed, known)
    if known.state is State.SEEN:
        return _of_seen(known, differs=differs)
    if differs or known.doubt or known.gone_since is not None:
        return Reason.DOUBTFUL
    reason = _delete_or_keep(known, mailbox, now)
    return Reason.UNSIZED if reason.action is Action.DELETE and is_unsized(listed, known) else reason


def _limit(
    listing: Sequence[Listed], reasons: list[Reason], tried: Mapping[bytes, datetime], most: int
) -> None:
    """Leave what is to be fetched beyond so many to the next poll; first of all what failed before."""
    places = [place for place, reason in enumerate(reasons) if reason.action is Action.FETCH]
    places.sort(key=lambda place: tried.get(listing[place].uidl, _NEVER))
    for place in places[most:]:
        reasons[place] = Reason.NEXT_POLL


def _of_seen(known: Known, *, differs: bool) -> Reason:
    if not known.identified:
        return Reason.CHANGED if differs else Reason.SEEN
    return Reason.DOUBTFUL if differs or known.doubt else Reason.SEEN


def _fetch_if_small_enough(listed: Listed, reason: Reason, mailbox: Mailbox) -> Reason:
    return Reason.TOO_LARGE if (listed.size or 0) > mailbox.max_message else reason


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
