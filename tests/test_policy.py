"""The plan, decision by decision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailsluice.config.models import Mailbox, SpoolSink
from mailsluice.model import Known, Listed, State
from mailsluice.policy import Action, Reason, plan

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=31)
JUST_NOW = NOW - timedelta(seconds=1)


def mailbox(**keys: object) -> Mailbox:
    sink = SpoolSink.model_validate({"path": "/spool"})
    common = {"name": "m", "address": "m@x.example", "credential": "c", "host": "localhost", "sink": sink}
    return Mailbox.model_validate({**common, **keys})


def decide(known: Known | None, size: int | None = 1000, **keys: Any) -> tuple[Action, Reason]:
    listing = (Listed(1, b"u", size),)
    (decision,) = plan(listing, {b"u": known} if known else {}, mailbox(**keys), NOW).decisions
    return decision.action, decision.reason


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
    known = Known(State.OVERSIZE, JUST_NOW, 2000)

    assert decide(known, size=900, max_message=1000) == (Action.LEAVE, Reason.STILL_TOO_LARGE)


def test_an_oversize_message_is_fetched_once_the_limit_is_raised() -> None:
    known = Known(State.OVERSIZE, JUST_NOW, 2000)

    assert decide(known, size=900, max_message=2000) == (Action.FETCH, Reason.NEW)


def test_a_message_that_comes_back_after_an_absence_is_not_fetched_again() -> None:
    known = Known(State.GONE, LONG_AGO, 1000)

    assert decide(known, leave_on_server=True) == (Action.LEAVE, Reason.KEPT)
    assert decide(known) == (Action.DELETE, Reason.STORED)


@pytest.mark.parametrize(("before", "now"), [(None, 1000), (1000, None)])
def test_a_size_nobody_listed_tells_no_messages_apart(before: int | None, now: int | None) -> None:
    assert decide(Known(State.GONE, LONG_AGO, before), size=now) == (Action.DELETE, Reason.STORED)


def test_another_message_under_a_gone_messages_uidl_is_fetched_and_never_deleted_unread() -> None:
    assert decide(Known(State.GONE, LONG_AGO, 999)) == (Action.FETCH, Reason.REUSED)


@pytest.mark.parametrize("leave", [False, True, "30d"])
def test_a_stored_message_listed_with_another_size_is_neither_deleted_nor_fetched(leave: bool | str) -> None:
    known = Known(State.STORED, LONG_AGO, 999)

    assert decide(known, leave_on_server=leave) == (Action.LEAVE, Reason.CHANGED)


def test_a_uidl_listed_twice_is_neither_fetched_nor_deleted() -> None:
    listing = (Listed(1, b"u", 10), Listed(2, b"u", 10), Listed(3, b"v", 10))

    decisions = plan(listing, {b"u": Known(State.STORED, LONG_AGO)}, mailbox(), NOW).decisions

    assert [d.reason for d in decisions] == [Reason.AMBIGUOUS, Reason.AMBIGUOUS, Reason.NEW]
    assert [d.action for d in decisions] == [Action.LEAVE, Action.LEAVE, Action.FETCH]


def test_the_first_messages_listed_are_fetched_up_to_max_per_poll() -> None:
    listing = tuple(Listed(n, b"%d" % n, 10) for n in range(1, 6))

    result = plan(listing, {b"2": Known(State.STORED, JUST_NOW)}, mailbox(max_per_poll=2), NOW)

    assert [m.number for m in result.to(Action.FETCH)] == [1, 3]
    assert [m.number for m in result.because(Reason.NEXT_POLL)] == [4, 5]
    assert [m.number for m in result.to(Action.DELETE)] == [2]


def test_an_oversize_message_takes_no_place_in_max_per_poll() -> None:
    listing = (Listed(1, b"big", 10**9), Listed(2, b"small", 10))

    result = plan(listing, {}, mailbox(max_per_poll=1), NOW)

    assert [m.uidl for m in result.to(Action.FETCH)] == [b"small"]


@pytest.mark.parametrize(
    "listing",
    [
        (Listed(1, b"u", 11), Listed(2, b"u", 12)),
        (Listed(1, b"other", 1), Listed(2, b"u", 11)),
        (Listed(1, b"u", 10**9),),
    ],
    ids=["ambiguous", "left for the next poll", "too large"],
)
def test_a_message_that_is_not_fetched_now_is_not_taken_for_its_gone_namesake_either(
    listing: tuple[Listed, ...],
) -> None:
    known = {b"u": Known(State.GONE, LONG_AGO, 10)}

    result = plan(listing, known, mailbox(max_per_poll=1), NOW)

    assert b"u" not in result.recognised
    assert not [m for m in result.to(Action.DELETE) if m.uidl == b"u"]


def test_a_reused_uidl_is_not_recognised() -> None:
    listing = (Listed(1, b"reused", 10), Listed(2, b"back", 10), Listed(3, b"new", 10))
    known = {b"reused": Known(State.GONE, LONG_AGO, 11), b"back": Known(State.GONE, LONG_AGO, 10)}

    assert plan(listing, known, mailbox(), NOW).recognised == {b"back", b"new"}
