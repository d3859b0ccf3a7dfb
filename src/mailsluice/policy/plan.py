"""The plan: one decision for each message, and its reason.

Owns every reason for which a message is fetched, deleted or left. Pure: no I/O, no clock of its own, no
logging. The same arguments always give the same plan.
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
"""Messages in these states need nothing more. They may come back under another UIDL, and are recognised."""


MOST_MESSAGES = 100_000
"""At most this many messages of a mailbox are looked at. More take too much time and memory in each poll."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with each message of a listing. `reasons` has one reason for each, in the listing's order.

    `reused` are listed UIDLs that no longer stand for the message of their row: UIDLs that are listed twice,
    and UIDLs of messages marked as seen that another message has now. `tried` says, by UIDL, when a message
    that failed before was last tried.
    """

    listing: Sequence[Listed]
    reasons: Sequence[Reason]
    reused: frozenset[bytes]
    tried: Mapping[bytes, datetime] = field(default_factory=lambda: MappingProxyType({}))

    def to(self, action: Action) -> tuple[Listed, ...]:
        """The messages with this action. Those that failed before come last, ordered by their last try."""
        positions = [position for position, reason in enumerate(self.reasons) if reason.action is action]
        positions.sort(key=lambda position: self.tried.get(self.listing[position].uidl, _NEVER))
        return tuple(self.listing[position] for position in positions)

    def because(self, reason: Reason) -> tuple[Listed, ...]:
        """The messages that have this reason."""
        if reason not in self.reasons:  # the usual case: most reasons have no message
            return ()
        return tuple(listed for listed, why in zip(self.listing, self.reasons, strict=True) if why is reason)


def window(mailbox: Mailbox) -> Window:
    """Which messages are looked at in a mailbox that has more than `MOST_MESSAGES`.

    New messages are listed last. Behind messages that stay (kept, or marked as seen) they would wait for
    ever. So a part of the window is at the end of the listing. If the policy deletes, the rest is at the
    beginning: what is deleted there makes room, and the mailbox drains.
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
    """Decide for each message. At most `max_per_poll` are fetched; those that failed before wait first."""
    twice = listed_twice(listing)
    reused, reasons = set(twice), []
    for listed in listing:
        before = known.get(listed.uidl)
        if listed.uidl in twice:
            reason = Reason.AMBIGUOUS
            if before is not None and before.state is State.SEEN:
                reused.discard(listed.uidl)  # else its row would be given up, and the mark as seen with it
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
    """What to do with a message that was to be deleted or was in doubt, now that its header was asked for.

    If the header decides nothing, a UIDL decides that was listed without a gap and with the same size: POP3
    promises that it stands for the same message (RFC 1939 §7). Without that promise the message is fetched.
    It is better that it comes twice than never.
    """
    if verdict is Verdict.OTHER:
        return Action.FETCH
    if verdict is Verdict.UNDECIDED and reason is Reason.DOUBTFUL:
        # An administrator said never to fetch what is marked as seen.
        return Action.LEAVE if row.state is State.SEEN else Action.FETCH
    if verdict is Verdict.UNDECIDED and reason is Reason.UNSIZED:
        return Action.LEAVE  # until a listing has sizes again
    return _delete_or_keep(row, mailbox, now).action


def _decide(listed: Listed, known: Known | None, mailbox: Mailbox, now: datetime) -> Reason:
    if known is None:
        return _fetch_if_small_enough(listed, Reason.NEW, mailbox)
    if known.state is State.OVERSIZE:
        # LIST's size is an estimate. `octets` is what was seen, and another LIST size means another message.
        if (known.octets or 0) > mailbox.max_message and known.listed_size == listed.size:
            return Reason.STILL_TOO_LARGE
        return _fetch_if_small_enough(listed, Reason.NEW, mailbox)
    differs = size_differs(listed, known)
    if known.state is State.SEEN:
        return _decide_seen(known, differs=differs)
    if differs or known.doubt or known.gone_since is not None:
        return Reason.DOUBTFUL
    reason = _delete_or_keep(known, mailbox, now)
    # Without a size a UIDL alone proves too little: if the header decides nothing, the message must stay.
    return Reason.UNSIZED if reason.action is Action.DELETE and is_unsized(listed, known) else reason


def _limit(
    listing: Sequence[Listed], reasons: list[Reason], tried: Mapping[bytes, datetime], most: int
) -> None:
    """Of the messages to fetch, leave all but `most` to the next poll, first those that failed before."""
    positions = [position for position, reason in enumerate(reasons) if reason.action is Action.FETCH]
    positions.sort(key=lambda position: tried.get(listing[position].uidl, _NEVER))
    for position in positions[most:]:
        reasons[position] = Reason.NEXT_POLL


def _decide_seen(known: Known, *, differs: bool) -> Reason:
    if not known.identified:  # nothing is known that a header could be compared with
        return Reason.CHANGED if differs else Reason.SEEN
    return Reason.DOUBTFUL if differs or known.doubt else Reason.SEEN


def _fetch_if_small_enough(listed: Listed, reason: Reason, mailbox: Mailbox) -> Reason:
    return Reason.TOO_LARGE if (listed.size or 0) > mailbox.max_message else reason


def _delete_or_keep(known: Known, mailbox: Mailbox, now: datetime) -> Reason:
    leave = mailbox.leave_on_server
    if known.state is State.SEEN:  # only by way of `after`: its header says that it still is this message
        return Reason.SEEN
    if leave is True:
        return Reason.KEPT
    if leave is not False and now - known.since < leave:
        return Reason.NOT_YET_AGED
    if known.leaving:
        return Reason.STILL_LISTED
    return Reason.STORED if leave is False else Reason.AGED
