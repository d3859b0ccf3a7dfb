"""What every ledger promises of listings: what it recalls beside one, what it misses, which is quiet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from contracts.ledgers import KEY, LATER, NOW, OTHER, SINK, STAGED, STORED, states
from mailsluice.model import Confirmation, Known, Listed, Quiet, Staged, State
from mailsluice.session.ports import Failures, Ledger, Messages
from support.confirming import confirm
from support.failing import fail

DAY = timedelta(days=1)
EVER = NOW - 3650 * DAY


def test_what_was_on_the_server_is_recalled_whatever_is_listed(stored: Messages) -> None:
    stored.record(KEY, [Staged(b"u3", "n3", 1)], SINK, NOW)
    stored.note_oversize(KEY, {Listed(4, b"big", 1000): 1000}, NOW)
    stored.mark_seen(KEY, [Listed(5, b"old", 5)], NOW)
    memory = stored.recall(KEY, [])
    assert memory.known == stored.known(KEY)
    assert len(memory.known) == 5


def test_what_is_gone_is_recalled_if_it_is_listed(stored: Messages) -> None:
    confirm(stored, KEY, [], [], LATER)
    assert stored.recall(KEY, []).known == {}
    memory = stored.recall(KEY, [b"u1", b"unknown"])
    assert memory.known == {b"u1": Known(State.GONE, LATER, 9, LATER, identified=False)}


def test_failures_are_recalled(stored: Messages, failures: Failures) -> None:
    fail(failures, KEY, {Listed(3, b"u3", 5): "no"}, 1, NOW)
    assert stored.recall(KEY, []).failures == failures.read(KEY)


QUIET = Quiet(b"digest", LATER + DAY)


@pytest.fixture
def quiet(stored: Messages, failures: Failures) -> Messages:
    fail(failures, KEY, {Listed(3, b"u3", 5): "no"}, 3, NOW)
    confirm(stored, KEY, [b"u1", b"u2", b"u3"], [], LATER, QUIET)
    return stored


def test_no_listing_is_quiet_that_was_not_confirmed_so(stored: Messages) -> None:
    confirm(stored, KEY, [b"u1", b"u2"], [], LATER)
    assert stored.quiet(KEY, b"digest", LATER) is None


def test_a_listing_is_quiet_until_its_time_is_over(quiet: Messages) -> None:
    assert quiet.quiet(KEY, b"digest", LATER + DAY - timedelta(microseconds=1)) is not None
    assert quiet.quiet(KEY, b"digest", LATER + DAY) is None


def test_another_listing_is_not_quiet_nor_is_it_that_of_another_mailbox(quiet: Messages) -> None:
    assert quiet.quiet(KEY, b"another", LATER) is None
    assert quiet.quiet(OTHER, b"digest", LATER) is None


def test_a_confirmation_that_changes_nothing_leaves_it_quiet(quiet: Messages) -> None:
    confirm(quiet, KEY, [b"u1", b"u2", b"u3"], [], LATER)
    assert quiet.quiet(KEY, b"digest", LATER) is not None


def test_the_first_listing_of_an_empty_mailbox_can_be_quiet(messages: Messages) -> None:
    confirm(messages, KEY, [], [], NOW, QUIET)
    assert messages.quiet(KEY, b"digest", NOW) is not None


@pytest.mark.parametrize(
    "write",
    [
        lambda ledger: ledger.messages.record(KEY, [Staged(b"u4", "n4", 1)], SINK, NOW),
        lambda ledger: ledger.messages.commit(KEY, STORED, NOW),
        lambda ledger: confirm(ledger.messages, KEY, [b"u1", b"u2"], [], NOW),
        lambda ledger: confirm(ledger.messages, KEY, [b"u1", b"u3"], [], NOW),
        lambda ledger: confirm(ledger.messages, KEY, [b"u1", b"u2", b"u3"], [b"u1"], NOW),
        lambda ledger: ledger.messages.settle(KEY, {b"u1": Listed(1, b"new", 9)}, [], NOW),
        lambda ledger: ledger.messages.mark_seen(KEY, [Listed(4, b"u4", 9)], NOW),
        lambda ledger: ledger.messages.note_oversize(KEY, {Listed(4, b"big", 1000): 1000}, NOW),
        lambda ledger: fail(ledger.failures, KEY, {Listed(4, b"u4", 5): "no"}, 1, NOW),
        lambda ledger: ledger.failures.note_header(KEY, b"u3", b"Subject: x"),
        lambda ledger: ledger.failures.retry(KEY, [b"u3"]),
    ],
    ids=[
        "record",
        "commit",
        "a failure is over",
        "gone",
        "a reused UIDL",
        "settle",
        "seen",
        "oversize",
        "failure",
        "header",
        "retry",
    ],
)
@pytest.mark.parametrize("when", ["after", "between recall and confirmation"])
def test_whatever_is_written_of_the_mailbox_ends_it(
    quiet: Messages, ledger: Ledger, write: Callable[[Ledger], object], when: str
) -> None:
    memory = quiet.recall(KEY, [b"u1", b"u2", b"u3"])
    write(ledger)
    if when != "after":
        quiet.confirm(KEY, memory, Confirmation([b"u1", b"u2", b"u3"], quiet=QUIET), NOW)
    assert quiet.quiet(KEY, b"digest", LATER) is None


def test_what_is_written_of_another_mailbox_does_not_end_it(quiet: Messages) -> None:
    quiet.record(OTHER, STAGED, SINK, NOW)
    assert quiet.quiet(KEY, b"digest", LATER) is not None


def test_a_listing_whose_confirmation_changes_rows_can_be_quiet(stored: Messages) -> None:
    confirm(stored, KEY, [b"u1"], [], LATER, QUIET)
    assert stored.quiet(KEY, b"digest", LATER) is not None
    assert states(stored) == {b"u1": State.STORED, b"u2": State.GONE}
