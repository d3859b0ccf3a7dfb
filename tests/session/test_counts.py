"""The books of a session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailsluice.errors import ConnectionLost, MailsluiceError, Phase, SinkError, TokenUnavailable
from mailsluice.outcome import Answer, Disposition, Outcome
from mailsluice.session.counts import Counts, Polled
from mailsluice.session.triage import triage
from session.fakes import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def counts(clock: HandClock) -> Counts:
    return Counts("invoices", clock)


def failed(counts: Counts, error: MailsluiceError) -> Polled:
    return counts.polled(error, triage(error))


def test_where_nothing_went_wrong_the_next_poll_comes_at_its_usual_time(counts: Counts) -> None:
    polled = counts.polled()
    assert (polled.report.outcome, polled.report.detail) == ("ok", "")
    assert (polled.exit_code, polled.disposition) == (0, Disposition.RETRY)


def test_the_seconds_are_those_since_the_start(counts: Counts, clock: HandClock) -> None:
    clock.advance(timedelta(seconds=2.3456))
    report = counts.polled().report
    assert (report.started, report.seconds) == (datetime(2026, 3, 1, 12, tzinfo=UTC), 2.346)


def test_what_waits_is_what_was_wanted_and_is_not_stored(counts: Counts) -> None:
    counts.wanted, counts.fetched, counts.stored = 5, 4, 3
    assert counts.polled().report.waiting == 2


def test_the_counts_are_reported_after_an_error_too(counts: Counts) -> None:
    counts.listed, counts.fetched, counts.stored, counts.deleted, counts.octets = 5, 4, 3, 2, 1
    report = failed(counts, SinkError("no")).report
    assert (report.listed, report.fetched, report.stored, report.deleted, report.bytes) == (5, 4, 3, 2, 1)


def test_an_error_gives_its_code_and_its_disposition(counts: Counts) -> None:
    polled = failed(counts, SinkError("no"))
    assert (polled.report.outcome, polled.exit_code) == ("sink-error", 73)
    assert polled.disposition is Disposition.BACK_OFF


def test_the_detail_is_the_error_and_what_helps(counts: Counts) -> None:
    detail = failed(counts, SinkError("the disk is full", remedy="make room")).report.detail
    assert "the disk is full" in detail
    assert "make room" in detail


def test_the_detail_of_an_error_without_a_remedy_is_its_words_alone(counts: Counts) -> None:
    assert failed(counts, SinkError("the disk is full")).report.detail == "the disk is full"


def test_messages_that_were_refused_are_to_be_asked_for_again(counts: Counts) -> None:
    counts.refused = 2
    polled = counts.polled()
    assert (polled.report.outcome, polled.exit_code) == ("messages-refused", 75)
    assert polled.disposition is Disposition.RETRY
    assert "2" in polled.report.detail


def test_an_error_outweighs_refused_messages(counts: Counts) -> None:
    counts.refused = 2
    assert failed(counts, SinkError("no")).report.outcome == "sink-error"


def test_a_session_was_served_unless_an_error_ended_it(counts: Counts) -> None:
    assert counts.polled().served
    counts.refused = 2
    assert counts.polled().served
    assert not failed(counts, SinkError("no")).served


def test_a_session_that_gave_up_before_anything_came_was_not_served_and_is_tried_later_and_later(
    counts: Counts,
) -> None:
    counts.refused, counts.gave_up = 10, True
    polled = counts.polled()
    assert (polled.served, polled.disposition) == (False, Disposition.BACK_OFF)
    counts.fetched = 1
    polled = counts.polled()
    assert (polled.served, polled.disposition) == (True, Disposition.RETRY)


def test_a_session_whose_messages_were_removed_or_are_still_listed_was_served(counts: Counts) -> None:
    counts.still_listed = 1
    assert (counts.polled().report.outcome, counts.polled().served) == (Outcome.STILL_LISTED, True)
    counts.vanished = 1
    assert (counts.polled().report.outcome, counts.polled().served) == (Outcome.MESSAGES_REMOVED, True)


def test_whether_an_error_concerns_the_credential_is_passed_on(counts: Counts) -> None:
    assert failed(counts, TokenUnavailable("no answer")).of_credential
    assert not failed(counts, SinkError("no")).of_credential


def test_a_secret_in_an_error_is_not_reported(counts: Counts) -> None:
    report = failed(counts, SinkError("it said: password=hunter2-and-more")).report

    assert "hunter2" not in report.detail


def test_an_error_with_octets_of_a_file_name_can_be_written_down(counts: Counts) -> None:
    detail = failed(counts, SinkError("cannot remove /spool/\udcff")).report.detail
    assert detail.encode()


@pytest.mark.parametrize(
    ("seconds", "fetched", "answer"), [(30, 0, Answer.MISSED), (29, 0, Answer.GIVEN), (900, 1, Answer.GIVEN)]
)
def test_a_connection_lost_after_long_without_a_message_is_no_answer(
    counts: Counts, clock: HandClock, seconds: int, fetched: int, answer: Answer
) -> None:
    counts.fetched = fetched
    clock.advance(timedelta(seconds=seconds))
    assert failed(counts, ConnectionLost("closed", phase=Phase.AUTH)).answer is answer
