"""Retrying: when a message that could not be fetched or deleted is tried again.

Owns the waiting times. Pure. Must never count failures: `session.quarantine` does.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from mailsluice.failure import WAITING, Failure, Why
from mailsluice.model import Listed
from mailsluice.policy.reason import Action, Reason
from mailsluice.policy.sameness import sizes_differ

REST = timedelta(hours=1)
"""A message at which two sessions ended is tried once in this time."""


DAILY = timedelta(days=1)
"""A held message that may become available by itself is tried once in this time."""


_MOST_DOUBLINGS = 6
"""The longest time between two tries is 64 days."""


def is_due(failure: Failure, now: datetime) -> bool:
    """Whether a held message that may become available by itself is to be tried again: after a day.

    A header that ended sessions is asked for after 1, 2, 4 and more days. So a mailbox that is polled once a
    day also has polls that do not end there.
    """
    doublings = min(failure.times - 1, _MOST_DOUBLINGS) if failure.kind is Why.SILENT else 0
    return failure.take or now - failure.tried >= DAILY * 2 ** max(doublings, 0)


def try_again(listed: Listed, reason: Reason, failure: Failure, now: datetime) -> Reason:
    """The reason for a message that failed before. `reason` is the one that it would have without that.

    A message that failed is tried after the others, one that is set aside once a day.
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
    """The reason for a stored message that ended a session when it was to be deleted."""
    if failure.quarantined and not is_due(failure, now):
        return Reason.UNDELETABLE
    return Reason.UNDELETED if now - failure.tried >= REST else Reason.UNDELETED_RESTING


def _held(listed: Listed, failure: Failure, now: datetime) -> Reason | None:
    """Why a message that failed before is not tried now; None if it is."""
    if failure.kind in WAITING:
        if is_due(failure, now):
            return None
        return Reason.SUBSTITUTED if failure.kind is Why.SUBSTITUTE else Reason.UNRECOGNISED
    # With another size it may be another message, and is tried. But some servers tell a new size each time,
    # so one that ends sessions is tried once an hour all the same.
    if failure.quarantined and not sizes_differ(listed, failure.listed_size):
        return None if is_due(failure, now) else Reason.QUARANTINED
    ends_sessions = failure.kind is Why.BROKE and failure.times > 1
    return Reason.RESTING if ends_sessions and now - failure.tried < REST else None
