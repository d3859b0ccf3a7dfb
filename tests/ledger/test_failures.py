"""What the ledger remembers of messages that could not be fetched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailsluice.failure import TRIES, Failure
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import Listed, MailboxKey, Staged, Stored
from support.confirming import confirm
from support.failing import fail

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = MailboxKey("pop.example", "a@acme.example")
OTHER = MailboxKey("pop.example", "b@acme.example")
BAD = Listed(1, b"bad", 100)


def test_failures_are_counted_and_the_last_error_kept(ledger: Ledger) -> None:
    fail(ledger, KEY, {BAD: "first"}, 1, NOW)
    fail(ledger, KEY, {BAD: "second"}, 1, NOW + timedelta(minutes=1))

    assert ledger.failures(KEY) == {
        b"bad": Failure(
            2, NOW + timedelta(minutes=1), "second", 100, tried=NOW + timedelta(minutes=1), first=NOW
        )
    }


def test_the_last_failure_allowed_puts_a_message_into_quarantine(ledger: Ledger) -> None:
    told = [fail(ledger, KEY, {BAD: "no"}, 1, NOW + n * timedelta(hours=12)) for n in range(TRIES)]

    assert told == [[]] * (TRIES - 1) + [[BAD]]
    assert ledger.failures(KEY)[b"bad"].quarantined


def test_so_many_failures_in_an_hour_do_not(ledger: Ledger) -> None:
    for n in range(20):
        assert fail(ledger, KEY, {BAD: "no"}, 1, NOW + n * timedelta(minutes=3)) == []
    assert not ledger.failures(KEY)[b"bad"].quarantined


def test_a_failure_of_one_message_reports_no_other_again(ledger: Ledger) -> None:
    for _ in range(TRIES):
        fail(ledger, KEY, {BAD: "no"}, 1, NOW)

    assert fail(ledger, KEY, {Listed(2, b"fresh", 5): "no"}, 1, NOW) == []


@pytest.mark.parametrize("size", [101, None])
def test_a_size_that_is_told_anew_each_time_hides_no_failure(ledger: Ledger, size: int | None) -> None:
    fail(ledger, KEY, {BAD: "no"}, 1, NOW)
    fail(ledger, KEY, {Listed(1, b"bad", size): "no"}, 1, NOW)

    assert ledger.failures(KEY)[b"bad"] == Failure(2, NOW, "no", size or 100, tried=NOW, first=NOW)


def test_a_try_that_speaks_against_the_server_is_noted_and_not_counted(ledger: Ledger) -> None:
    assert fail(ledger, KEY, {BAD: "no"}, 0, NOW) == []

    assert ledger.failures(KEY)[b"bad"].times == 0


def test_a_server_that_gives_no_sizes_has_its_failures_counted(ledger: Ledger) -> None:
    for _ in range(2):
        fail(ledger, KEY, {Listed(1, b"bad"): "no"}, 1, NOW)

    assert ledger.failures(KEY)[b"bad"].times == 2


def test_a_header_is_kept(ledger: Ledger) -> None:
    fail(ledger, KEY, {BAD: "no"}, 1, NOW)
    ledger.note_header(KEY, b"bad", b"Subject: \xff\r\n\r\n")

    assert ledger.failures(KEY)[b"bad"].header == b"Subject: \xff\r\n\r\n"


def test_mailboxes_do_not_see_each_others(ledger: Ledger) -> None:
    fail(ledger, KEY, {BAD: "no"}, 1, NOW)

    assert ledger.failures(OTHER) == {}
    assert ledger.retry(OTHER, [b"bad"]) == 0


def test_a_message_that_is_committed_has_none_any_more(ledger: Ledger) -> None:
    fail(ledger, KEY, {BAD: "no"}, 1, NOW)
    ledger.record(KEY, [Staged(b"bad", "n", 90, 100)], "spool:/x", NOW)
    ledger.commit(KEY, [Stored(b"bad", "n")], NOW)

    assert ledger.failures(KEY) == {}


def test_a_message_that_is_not_listed_any_more_is_forgotten(ledger: Ledger) -> None:
    fail(ledger, KEY, {BAD: "no", Listed(2, b"there", 1): "no"}, 1, NOW)
    confirm(ledger, KEY, [b"there"], [], NOW)

    assert set(ledger.failures(KEY)) == {b"there"}
