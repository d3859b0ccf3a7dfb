"""Retrying: when a message that could not be fetched or deleted is tried again.

Owns the waiting times. Pure. Must never count failures: the session does.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from mailsluice.failure import WAITING, Failure, Why
from mailsluice.model import Listed
from mailsluice.policy.reason import Action, Reason
from mailsluice.policy.sameness import sizes_differ

REST = timedelta(hours=1)
"""What ended a session twice is tried no more often."""


DAILY = timedelta(days=1)
"""What is held, and may come right by itself, is tried so much later again."""


_MOST_DOUBLINGS = 6
"""Some two months."""


def is_due(failure: Failure, now: datetime) -> bool:
    """Whether what is held, and may come right by itself, is to be tried again.

    After a day. What ends sessions, later and later: a mailbox that is polled once a day has others between.
    """
    doublings = min(failure.times - 1, _MOST_DOUBLINGS) if failure.kind is Why.SILENT else 0
    return failure.take or now - failure.tried >= DAILY * 2 ** max(doublings, 0)


def try_again(listed: Listed, reason: Reason, failure: Failure, now: datetime) -> Reason:
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
    if failure.quarantined and not sizes_differ(listed, failure.listed_size):
        return None if is_due(failure, now) else Reason.QUARANTINED
    ends_sessions = failure.kind is Why.BROKE and failure.times > 1
    return Reason.RESTING if ends_sessions and now - failure.tried < REST else None
