"""Which plans are quiet, and how long; and what of the ledger a plan needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsluice.failure import Failure, Why
from mailsluice.model import Known, Lines, Listed, Listing, Memory, State
from mailsluice.policy.plan import Plan, make_plan
from mailsluice.policy.quiet import digest, quiet_until
from mailsluice.policy.reason import Reason
from policy.test_plan import NOW, mailbox

QUIET_REASONS = {
    Reason.KEPT,
    Reason.NOT_YET_AGED,
    Reason.STILL_TOO_LARGE,
    Reason.SEEN,
    Reason.QUARANTINED,
    Reason.SUBSTITUTED,
    Reason.UNRECOGNISED,
    Reason.UNDELETABLE,
}
ASKED = Failure(3, NOW, "no", None, b"", tried=NOW)


def until_when(
    *reasons: Reason, asked: bool = True, since: datetime = NOW, **keys: object
) -> datetime | None:
    listing = tuple(Listed(number, b"u%d" % number) for number, _ in enumerate(reasons))
    known = {listed.uidl: Known(State.STORED, since) for listed in listing}
    failures = {listed.uidl: ASKED if asked else replace(ASKED, header=None) for listed in listing}
    return quiet_until(Plan(listing, reasons, frozenset()), Memory(known, failures), mailbox(**keys), NOW)


@pytest.mark.parametrize("reason", Reason)
def test_a_plan_is_quiet_if_it_leaves_every_message_without_a_word(reason: Reason) -> None:
    assert (until_when(Reason.KEPT, reason) is not None) == (reason in QUIET_REASONS)


def test_an_empty_listing_is_quiet_and_that_for_a_day() -> None:
    assert until_when() == NOW + timedelta(days=1)


def test_a_plan_is_quiet_until_the_first_message_has_aged() -> None:
    since = NOW - timedelta(days=30) + timedelta(hours=1)
    until = until_when(Reason.NOT_YET_AGED, since=since, leave_on_server="30d")
    assert until == NOW + timedelta(hours=1)


def test_a_message_in_quarantine_is_quiet_once_its_header_was_asked_for() -> None:
    assert until_when(Reason.QUARANTINED, asked=True) is not None
    assert until_when(Reason.QUARANTINED, asked=False) is None


def test_a_notice_in_the_place_of_a_message_is_quiet_until_it_is_asked_for_again() -> None:
    assert until_when(Reason.SUBSTITUTED) == NOW + timedelta(days=1)


def test_a_listing_is_not_quiet_as_long_as_a_message_has_no_identity() -> None:
    row = Known(State.STORED, NOW, identified=False)
    listing = (Listed(1, b"u"),)
    done = Plan(listing, (Reason.KEPT,), frozenset())
    assert quiet_until(done, Memory({b"u": row}, {}), mailbox(), NOW) is None
    too_large = Plan(listing, (Reason.STILL_TOO_LARGE,), frozenset())
    big = Known(State.OVERSIZE, NOW, identified=False)
    assert quiet_until(too_large, Memory({b"u": big}, {}), mailbox(), NOW) is not None


def listing_of(digest: bytes) -> Listing:
    return Listing(digest, 0, lambda: Lines(()))


@pytest.mark.parametrize(
    ("keys", "same"),
    [
        ({}, True),
        ({"max_per_poll": 7}, True),
        ({"max_message": 1000}, False),
        ({"leave_on_server": True}, False),
        ({"leave_on_server": "1d"}, False),
    ],
)
def test_the_same_listing_is_another_case_where_another_policy_decides(
    keys: dict[str, object], same: bool
) -> None:
    before = digest(listing_of(b"x"), mailbox())
    assert (digest(listing_of(b"x"), mailbox(**keys)) == before) == same


def test_another_listing_is_another_case() -> None:
    assert digest(listing_of(b"x"), mailbox()) != digest(listing_of(b"y"), mailbox())


TIMES = st.integers(-80, 2).map(lambda hours: NOW + timedelta(hours=hours))
SIZES = st.sampled_from([None, 500, 2000])
UIDLS = st.integers(0, 3).map(lambda number: b"u%d" % number)
ROWS = st.builds(
    Known,
    st.sampled_from([*State]),
    TIMES,
    SIZES,
    st.none() | TIMES,
    st.sampled_from([None, 500, 2000]),
    st.booleans(),
).filter(  # as the ledger has them
    lambda row: row.state is State.SEEN or (row.state is State.GONE) == (row.gone_since is not None)
)
FAILURES = st.builds(
    Failure,
    st.integers(0, 4),
    TIMES,
    st.just("no"),
    SIZES,
    st.sampled_from([None, b""]),
    st.sampled_from([*Why]),
    TIMES,
    st.booleans(),
    TIMES,
)


@given(
    listed=st.lists(st.tuples(UIDLS, SIZES), max_size=4, unique_by=lambda each: each[0]),
    known=st.dictionaries(UIDLS, ROWS, max_size=10),
    failures=st.dictionaries(UIDLS, FAILURES, max_size=4),
    leave=st.sampled_from([False, True, "2d", "3d"]),
    part=st.floats(0, 0.999),  # nearer to 1 a time is rounded up to the end
)
def test_while_it_is_quiet_nothing_else_would_be_decided(
    listed: list[tuple[bytes, int | None]],
    known: dict[bytes, Known],
    failures: dict[bytes, Failure],
    leave: object,
    part: float,
) -> None:
    listing = tuple(Listed(number, uidl, size) for number, (uidl, size) in enumerate(listed, 1))
    box = mailbox(leave_on_server=leave, max_message=1000)
    first = make_plan(listing, known, failures, box, NOW)
    until = quiet_until(first, Memory(known, failures), box, NOW)
    if until is not None:
        later = NOW + part * (until - NOW)
        assert make_plan(listing, known, failures, box, later).reasons == first.reasons
