"""WHAT: the plan. A listing and what the ledger remembers become one decision for each message.

Owns every reason for which a message is fetched, deleted or left. Pure: no I/O, no clock of its own, no
logging; the same arguments always give the same plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from mailsluice.config.models import Mailbox
from mailsluice.model import Known, Listed, State


class Action(Enum):
    """What is to be done with a message."""

    FETCH = "fetch"
    DELETE = "delete"
    LEAVE = "leave"


class Reason(Enum):
    """Why, in words an administrator can read."""

    NEW = "not seen before"
    REUSED = "its UIDL belonged to another message that is gone"
    STORED = "stored, and not to be left on the server"
    AGED = "stored longer ago than the mailbox keeps mail"
    KEPT = "stored, and kept on the server"
    NOT_YET_AGED = "stored, and kept on the server a while longer"
    TOO_LARGE = "larger than max_message"
    STILL_TOO_LARGE = "larger than max_message, reported before"
    NEXT_POLL = "max_per_poll is reached"
    CHANGED = "stored, but listed with another size now: it may be another message under the same UIDL"
    AMBIGUOUS = "its UIDL is listed twice, so that storing one copy proves nothing about the other"


@dataclass(frozen=True, slots=True)
class Decision:
    """One message, what to do with it, and why."""

    listed: Listed
    action: Action
    reason: Reason


@dataclass(frozen=True, slots=True)
class Plan:
    """The decisions for a whole listing, in its order.

    `recognised` are the UIDLs listed that mean what the ledger takes them for, or nothing yet: neither
    those listed twice nor those that another message has now, whatever was decided for it.
    """

    decisions: tuple[Decision, ...]
    recognised: frozenset[bytes]

    def to(self, action: Action) -> tuple[Listed, ...]:
        """The messages this action is for."""
        return tuple(d.listed for d in self.decisions if d.action is action)

    def because(self, reason: Reason) -> tuple[Listed, ...]:
        """The messages decided for this reason."""
        return tuple(d.listed for d in self.decisions if d.reason is reason)


def plan(listing: Sequence[Listed], known: Mapping[bytes, Known], mailbox: Mailbox, now: datetime) -> Plan:
    """Decide for each message. At most `max_per_poll` are fetched, in the listing's order."""
    times = Counter(listed.uidl for listed in listing)
    decisions, recognised = [], set()
    room = mailbox.max_per_poll
    for listed in listing:
        before = known.get(listed.uidl)
        if times[listed.uidl] > 1:
            decision = Decision(listed, Action.LEAVE, Reason.AMBIGUOUS)
        elif before is not None and _is_another(listed, before):
            decision = _fetch_if_small_enough(listed, Reason.REUSED, mailbox)
        else:
            recognised.add(listed.uidl)
            decision = _decide(listed, before, mailbox, now)
        if decision.action is Action.FETCH:
            if room == 0:
                decision = Decision(listed, Action.LEAVE, Reason.NEXT_POLL)
            else:
                room -= 1
        decisions.append(decision)
    return Plan(tuple(decisions), frozenset(recognised))


def _decide(listed: Listed, known: Known | None, mailbox: Mailbox, now: datetime) -> Decision:
    if known is None:
        return _fetch_if_small_enough(listed, Reason.NEW, mailbox)
    if known.state is State.OVERSIZE:
        if (known.listed_size or 0) > mailbox.max_message:
            return Decision(listed, Action.LEAVE, Reason.STILL_TOO_LARGE)
        return _fetch_if_small_enough(listed, Reason.NEW, mailbox)
    return _delete_or_keep(listed, known, mailbox, now)


def _fetch_if_small_enough(listed: Listed, reason: Reason, mailbox: Mailbox) -> Decision:
    if listed.size is not None and listed.size > mailbox.max_message:
        return Decision(listed, Action.LEAVE, Reason.TOO_LARGE)
    return Decision(listed, Action.FETCH, reason)


def _is_another(listed: Listed, known: Known) -> bool:
    """Whether a UIDL that comes back after an absence names another message.

    A recreated mailbox may count its UIDLs anew, and deleting a message for the sake of its namesake
    would lose it (docs/adr/0002-reused-uidls.md).
    """
    return known.state is State.GONE and _size_differs(listed, known)


def _size_differs(listed: Listed, known: Known) -> bool:
    """Whether LIST tells them apart: its sizes are estimates, but always the same for one message."""
    return None not in (listed.size, known.listed_size) and listed.size != known.listed_size


def _delete_or_keep(listed: Listed, known: Known, mailbox: Mailbox, now: datetime) -> Decision:
    if _size_differs(listed, known):
        return Decision(listed, Action.LEAVE, Reason.CHANGED)
    leave = mailbox.leave_on_server
    if leave is False:
        return Decision(listed, Action.DELETE, Reason.STORED)
    if leave is True:
        return Decision(listed, Action.LEAVE, Reason.KEPT)
    if now - known.since >= leave:
        return Decision(listed, Action.DELETE, Reason.AGED)
    return Decision(listed, Action.LEAVE, Reason.NOT_YET_AGED)
