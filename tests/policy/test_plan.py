"""The plan, decision by decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailsluice.config.models import Mailbox, SpoolSink
from mailsluice.failure import Failure, Why
from mailsluice.message.recognition import Verdict
from mailsluice.model import Known, Listed, State
from mailsluice.policy.plan import after, make_plan
from mailsluice.policy.reason import Action, Reason

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=31)
JUST_NOW = NOW - timedelta(seconds=1)


def mailbox(**keys: object) -> Mailbox:
    sink = SpoolSink.model_validate({"path": "/spool"})
    common = {"name": "m", "address": "m@x.example", "credential": "c", "host": "localhost", "sink": sink}
    return Mailbox.model_validate({**common, **keys})


def decide(known: Known | None, size: int | None = 1000, **keys: Any) -> tuple[Action, Reason]:
    listing = (Listed(1, b"u", size),)
    (reason,) = make_plan(listing, {b"u": known} if known else {}, {}, mailbox(**keys), NOW).reasons
    return reason.action, reason


@pytest.mark.parametrize(
    ("known", "keys", "expected"),
    [
        (None, {}, (Action.FETCH, Reason.NEW)),
        (None, {"leave_on_server": True}, (Action.FETCH, Reason.NEW)),
        (Known(State.STORED, JUST_NOW), {}, (Action.DELETE, Reason.STORED)),
        (Known(State.STORED, LONG_AGO), {"leave_on_server": True}, (Action.LEAVE, Reason.KEPT)),
        (Known(State.STORED, JUST_NOW), {"leave_on_server": "30d"}, (Action.LEAVE, Reason.NOT_YET_AGED)),
        (Known(State.STORED, LONG_AGO), {"leave_on_server": "30d"}, (Action.DELETE, Reason.AGED)),
        (
            Known(State.STORED, NOW - timedelta(days=30)),
            {"leave_on_server": "30d"},
            (Action.DELETE, Reason.AGED),
        ),
        (
            Known(State.STORED, NOW + timedelta(days=1)),
            {"leave_on_server": "30d"},
            (Action.LEAVE, Reason.NOT_YET_AGED),
        ),
    ],
)
def test_a_message_is_fetched_once_and_deleted_by_the_mailboxs_policy(
    known: Known | None, keys: dict[str, Any], expected: tuple[Action, Reason]
) -> None:
    assert decide(known, **keys) == expected


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [
        (1000, 1000, (Action.FETCH, Reason.NEW)),
        (1001, 1000, (Action.LEAVE, Reason.TOO_LARGE)),
        (None, 1, (Action.FETCH, Reason.NEW)),
    ],
)
def test_a_message_listed_larger_than_max_message_stays(
    size: int | None, limit: int, expected: tuple[Action, Reason]
) -> None:
    assert decide(None, size=size, max_message=limit) == expected


def test_an_oversize_message_is_reported_only_once() -> None:
    known = Known(State.OVERSIZE, JUST_NOW, 900, None, 2000)

    assert decide(known, size=900, max_message=1000) == (Action.LEAVE, Reason.STILL_TOO_LARGE)


def test_an_oversize_message_that_is_listed_smaller_than_before_is_tried_again() -> None:
    known = Known(State.OVERSIZE, JUST_NOW, 2000, None, 2000)

    assert decide(known, size=900, max_message=1000) == (Action.FETCH, Reason.NEW)


def test_an_oversize_message_is_fetched_once_the_limit_is_raised() -> None:
    known = Known(State.OVERSIZE, JUST_NOW, 900, None, 2000)

    assert decide(known, size=900, max_message=2000) == (Action.FETCH, Reason.NEW)


@pytest.mark.parametrize(
    "known",
    [
        Known(State.GONE, LONG_AGO, 1000, JUST_NOW),
        Known(State.GONE, LONG_AGO, 999, JUST_NOW),
        Known(State.GONE, LONG_AGO, None, JUST_NOW),
        Known(State.STORED, LONG_AGO, 999),
        Known(State.STORED, LONG_AGO, 1000, doubt=True),
    ],
    ids=["back", "back with another size", "back, and no size known", "another size", "in doubt"],
)
@pytest.mark.parametrize("leave", [False, True, "30d"])
def test_the_header_is_asked_of_what_may_be_another_message_under_a_known_uidl(
    known: Known, leave: bool | str
) -> None:
    assert decide(known, leave_on_server=leave) == (Action.ASK, Reason.DOUBTFUL)


@pytest.mark.parametrize("now", [1000, None])
def test_where_a_size_was_never_listed_the_uidl_alone_tells_that_nothing_is_in_doubt(now: int | None) -> None:
    assert decide(Known(State.STORED, LONG_AGO, None), size=now) == (Action.DELETE, Reason.STORED)


@pytest.mark.parametrize("leave", [False, "30d"])
def test_the_header_is_asked_of_what_is_due_and_listed_without_the_size_it_is_known_with(
    leave: object,
) -> None:
    known = Known(State.STORED, LONG_AGO, 1000)

    assert decide(known, size=None, leave_on_server=leave) == (Action.ASK, Reason.UNSIZED)


STORED_ONE = Known(State.STORED, LONG_AGO, 1000)


@pytest.mark.parametrize(
    ("reason", "verdict", "leave", "action"),
    [
        (Reason.STORED, Verdict.SAME, False, Action.DELETE),
        (Reason.STORED, Verdict.OTHER, False, Action.FETCH),
        (Reason.STORED, Verdict.UNDECIDED, False, Action.DELETE),
        (Reason.AGED, Verdict.UNDECIDED, "30d", Action.DELETE),
        (Reason.AGED, Verdict.OTHER, "30d", Action.FETCH),
        (Reason.DOUBTFUL, Verdict.SAME, False, Action.DELETE),
        (Reason.DOUBTFUL, Verdict.SAME, True, Action.LEAVE),
        (Reason.DOUBTFUL, Verdict.SAME, "30d", Action.DELETE),
        (Reason.DOUBTFUL, Verdict.SAME, "900d", Action.LEAVE),
        (Reason.DOUBTFUL, Verdict.OTHER, True, Action.FETCH),
        (Reason.DOUBTFUL, Verdict.UNDECIDED, False, Action.FETCH),
        (Reason.DOUBTFUL, Verdict.UNDECIDED, True, Action.FETCH),
        (Reason.UNSIZED, Verdict.SAME, False, Action.DELETE),
        (Reason.UNSIZED, Verdict.OTHER, False, Action.FETCH),
        (Reason.UNSIZED, Verdict.UNDECIDED, False, Action.LEAVE),
    ],
)
def test_what_follows_from_what_the_header_says(
    reason: Reason, verdict: Verdict, leave: object, action: Action
) -> None:
    assert after(reason, verdict, STORED_ONE, mailbox(leave_on_server=leave), NOW) is action


def test_a_uidl_listed_twice_is_neither_fetched_nor_deleted() -> None:
    listing = (Listed(1, b"u", 10), Listed(2, b"u", 10), Listed(3, b"v", 10))

    reasons = make_plan(listing, {b"u": Known(State.STORED, LONG_AGO)}, {}, mailbox(), NOW).reasons

    assert reasons == [Reason.AMBIGUOUS, Reason.AMBIGUOUS, Reason.NEW]
    assert [reason.action for reason in reasons] == [Action.LEAVE, Action.LEAVE, Action.FETCH]


def test_the_first_messages_listed_are_fetched_up_to_max_per_poll() -> None:
    listing = tuple(Listed(n, b"%d" % n, 10) for n in range(1, 6))

    result = make_plan(listing, {b"2": Known(State.STORED, JUST_NOW)}, {}, mailbox(max_per_poll=2), NOW)

    assert [m.number for m in result.to(Action.FETCH)] == [1, 3]
    assert [m.number for m in result.because(Reason.NEXT_POLL)] == [4, 5]
    assert [m.number for m in result.to(Action.DELETE)] == [2]


def test_an_oversize_message_takes_no_place_in_max_per_poll() -> None:
    listing = (Listed(1, b"big", 10**9), Listed(2, b"small", 10))

    result = make_plan(listing, {}, {}, mailbox(max_per_poll=1), NOW)

    assert [m.uidl for m in result.to(Action.FETCH)] == [b"small"]


def test_a_message_under_the_uidl_of_one_that_was_seen_and_went_is_another_one() -> None:
    listing = (Listed(1, b"reused", 10), Listed(2, b"back", 10), Listed(3, b"new", 10))
    known = {
        b"reused": Known(State.SEEN, LONG_AGO, 11, JUST_NOW),
        b"back": Known(State.SEEN, LONG_AGO, 10, JUST_NOW),
    }

    result = make_plan(listing, known, {}, mailbox(), NOW)

    assert result.reused == {b"reused"}
    assert result.reasons == [Reason.REUSED, Reason.SEEN, Reason.NEW]


HELD = Failure(0, NOW, "a notice", kind=Why.SUBSTITUTE, tried=NOW)


@pytest.mark.parametrize(
    ("failure", "hours", "expected"),
    [
        (HELD, 23, Reason.SUBSTITUTED),
        (HELD, 24, Reason.AGAIN),
        (replace(HELD, take=True), 0, Reason.AGAIN),
        (Failure(3, NOW, "removed", kind=Why.REMOVED, tried=NOW), 23, Reason.QUARANTINED),
        (Failure(2, NOW, "removed", kind=Why.REMOVED, tried=NOW), 0, Reason.AGAIN),
    ],
)
def test_a_new_message_that_is_held_is_tried_when_its_time_has_come(
    failure: Failure, hours: int, expected: Reason
) -> None:
    later = NOW + timedelta(hours=hours)

    assert make_plan((Listed(1, b"u", 10),), {}, {b"u": failure}, mailbox(), later).reasons == [expected]


@pytest.mark.parametrize(("hours", "expected"), [(23, Reason.NOT_ASKED), (24, Reason.STORED)])
def test_a_message_whose_header_ended_the_session_is_asked_again_a_day_later(
    hours: int, expected: Reason
) -> None:
    failures = {b"u": Failure(0, NOW, "lost", kind=Why.SILENT, tried=NOW)}
    later = NOW + timedelta(hours=hours)

    assert make_plan((Listed(1, b"u", 1000),), {b"u": STORED_ONE}, failures, mailbox(), later).reasons == [
        expected
    ]


def test_what_is_held_under_the_uidl_of_a_stored_message_is_not_asked_at_every_poll() -> None:
    doubtful = {b"u": Known(State.STORED, LONG_AGO, 10, doubt=True)}

    assert make_plan((Listed(1, b"u", 10),), doubtful, {b"u": HELD}, mailbox(), NOW).reasons == [
        Reason.SUBSTITUTED
    ]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (0, (Action.FETCH, Reason.AGAIN)),
        (1, (Action.FETCH, Reason.AGAIN)),
        (2, (Action.FETCH, Reason.AGAIN)),
        (3, (Action.LEAVE, Reason.QUARANTINED)),
    ],
)
def test_a_message_that_cannot_be_fetched_has_three_tries(
    times: int, expected: tuple[Action, Reason]
) -> None:
    failures = {b"u": Failure(times, NOW, "no", 10, tried=NOW, first=NOW - timedelta(days=1))}

    (reason,) = make_plan((Listed(1, b"u", 10),), {}, failures, mailbox(), NOW).reasons

    assert (reason.action, reason) == expected


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (10, 11, Reason.AGAIN),
        (10, None, Reason.QUARANTINED),
        (None, 10, Reason.QUARANTINED),
        (None, None, Reason.QUARANTINED),
    ],
)
def test_another_size_under_the_uidl_of_a_message_in_quarantine_is_tried_after_all_others(
    before: int | None, now: int | None, expected: Reason
) -> None:
    failures = {b"u": Failure(3, NOW, "no", before, tried=NOW, first=NOW - timedelta(days=1))}

    assert make_plan((Listed(1, b"u", now),), {}, failures, mailbox(), NOW).reasons == [expected]


def test_a_message_on_its_last_try_is_fetched_after_all_others() -> None:
    listing = tuple(Listed(n, b"%d" % n, 1) for n in (1, 2, 3))
    failures = {b"1": Failure(2, NOW, "no", 1)}

    result = make_plan(listing, {}, failures, mailbox(max_per_poll=2), NOW)

    assert [m.number for m in result.to(Action.FETCH)] == [2, 3]
    assert [m.number for m in make_plan(listing, {}, failures, mailbox(), NOW).to(Action.FETCH)] == [2, 3, 1]


def test_another_message_under_the_uidl_of_one_marked_as_seen_is_told_of() -> None:
    row = Known(State.SEEN, LONG_AGO, 999, identified=False)
    assert decide(row) == (Action.LEAVE, Reason.CHANGED)


def test_another_size_of_one_marked_as_seen_is_asked_about_where_its_header_can_tell() -> None:
    assert decide(Known(State.SEEN, LONG_AGO, 999)) == (Action.ASK, Reason.DOUBTFUL)
    assert decide(Known(State.SEEN, LONG_AGO, 1000, doubt=True)) == (Action.ASK, Reason.DOUBTFUL)


@pytest.mark.parametrize("verdict", [Verdict.SAME, Verdict.UNDECIDED])
def test_what_is_marked_as_seen_stays_unless_another_message_has_its_uidl(verdict: Verdict) -> None:
    row = Known(State.SEEN, LONG_AGO, 999)
    assert after(Reason.DOUBTFUL, verdict, row, mailbox(), NOW) is Action.LEAVE
    assert after(Reason.DOUBTFUL, Verdict.OTHER, row, mailbox(), NOW) is Action.FETCH


def test_what_is_marked_as_seen_is_left_whatever_the_policy() -> None:
    assert decide(Known(State.SEEN, LONG_AGO, 1000)) == (Action.LEAVE, Reason.SEEN)
    assert decide(Known(State.SEEN, LONG_AGO, 1000), leave_on_server="1d") == (Action.LEAVE, Reason.SEEN)
