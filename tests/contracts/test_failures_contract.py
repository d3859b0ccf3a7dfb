"""What every ledger promises of messages that could not be had: `session.ports.Failures`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailsluice.failure import TRIES, Failure
from mailsluice.model import Listed, MailboxKey, Staged, Stored
from mailsluice.session.ports import Failures, Messages
from support.confirming import confirm
from support.failing import fail

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = MailboxKey("pop.example", "a@acme.example")
OTHER = MailboxKey("pop.example", "b@acme.example")
BAD = Listed(1, b"bad", 100)


def test_failures_are_counted_and_the_last_error_kept(failures: Failures) -> None:
    fail(failures, KEY, {BAD: "first"}, 1, NOW)
    fail(failures, KEY, {BAD: "second"}, 1, NOW + timedelta(minutes=1))

    assert failures.read(KEY) == {
        b"bad": Failure(
            2, NOW + timedelta(minutes=1), "second", 100, tried=NOW + timedelta(minutes=1), first=NOW
        )
    }


def test_the_last_failure_allowed_puts_a_message_into_quarantine(failures: Failures) -> None:
    told = [fail(failures, KEY, {BAD: "no"}, 1, NOW + n * timedelta(hours=12)) for n in range(TRIES)]

    assert told == [[]] * (TRIES - 1) + [[BAD]]
    assert failures.read(KEY)[b"bad"].quarantined


def test_so_many_failures_in_an_hour_do_not(failures: Failures) -> None:
    for n in range(20):
        assert fail(failures, KEY, {BAD: "no"}, 1, NOW + n * timedelta(minutes=3)) == []
    assert not failures.read(KEY)[b"bad"].quarantined


def test_a_failure_of_one_message_reports_no_other_again(failures: Failures) -> None:
    for _ in range(TRIES):
        fail(failures, KEY, {BAD: "no"}, 1, NOW)

    assert fail(failures, KEY, {Listed(2, b"fresh", 5): "no"}, 1, NOW) == []


@pytest.mark.parametrize("size", [101, None])
def test_a_size_that_is_told_anew_each_time_hides_no_failure(failures: Failures, size: int | None) -> None:
    fail(failures, KEY, {BAD: "no"}, 1, NOW)
    fail(failures, KEY, {Listed(1, b"bad", size): "no"}, 1, NOW)

    assert failures.read(KEY)[b"bad"] == Failure(2, NOW, "no", size or 100, tried=NOW, first=NOW)


def test_a_try_that_speaks_against_the_server_is_noted_and_not_counted(failures: Failures) -> None:
    assert fail(failures, KEY, {BAD: "no"}, 0, NOW) == []

    assert failures.read(KEY)[b"bad"].times == 0


def test_a_server_that_gives_no_sizes_has_its_failures_counted(failures: Failures) -> None:
    for _ in range(2):
        fail(failures, KEY, {Listed(1, b"bad"): "no"}, 1, NOW)

    assert failures.read(KEY)[b"bad"].times == 2


def test_a_header_is_kept(failures: Failures) -> None:
    fail(failures, KEY, {BAD: "no"}, 1, NOW)
    failures.note_header(KEY, b"bad", b"Subject: \xff\r\n\r\n")

    assert failures.read(KEY)[b"bad"].header == b"Subject: \xff\r\n\r\n"


def test_mailboxes_do_not_see_each_others(failures: Failures) -> None:
    fail(failures, KEY, {BAD: "no"}, 1, NOW)

    assert failures.read(OTHER) == {}
    assert failures.retry(OTHER, [b"bad"]) == 0


def test_a_message_that_is_committed_has_none_any_more(failures: Failures, messages: Messages) -> None:
    fail(failures, KEY, {BAD: "no"}, 1, NOW)
    messages.record(KEY, [Staged(b"bad", "n", 90, 100)], "spool:/x", NOW)
    messages.commit(KEY, [Stored(b"bad", "n")], NOW)

    assert failures.read(KEY) == {}


def test_a_message_that_is_not_listed_any_more_is_forgotten(failures: Failures, messages: Messages) -> None:
    fail(failures, KEY, {BAD: "no", Listed(2, b"there", 1): "no"}, 1, NOW)
    confirm(messages, KEY, [b"there"], [], NOW)

    assert set(failures.read(KEY)) == {b"there"}


def test_what_is_to_be_retried_is_forgotten_and_counted(failures: Failures) -> None:
    fail(failures, KEY, {BAD: "no", Listed(2, b"other", 1): "no"}, 1, NOW)

    assert failures.retry(KEY, [b"bad", b"unknown"]) == 1
    assert set(failures.read(KEY)) == {b"other"}


def test_what_is_to_be_taken_as_it_comes_is_said_to_be_and_counted(failures: Failures) -> None:
    fail(failures, KEY, {BAD: "no", Listed(2, b"other", 1): "no"}, 1, NOW)

    assert failures.take(KEY, [b"bad", b"unknown"]) == 1
    assert {uidl: failure.take for uidl, failure in failures.read(KEY).items()} == {
        b"bad": True,
        b"other": False,
    }
