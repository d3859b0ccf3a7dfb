"""The books of a session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailsluice.errors import ConnectionLost, Disposition, MailsluiceError, Phase, SinkError, TokenUnavailable
from mailsluice.model import Answer
from mailsluice.session.tally import Polled, Tally
from mailsluice.session.triage import triage
from session.fakes import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def tally(clock: HandClock) -> Tally:
    return Tally("invoices", clock)


def failed(tally: Tally, error: MailsluiceError) -> Polled:
    return tally.polled(error, triage(error))


def test_where_nothing_went_wrong_there_is_no_disposition(tally: Tally) -> None:
    polled = tally.polled()
    assert (polled.report.outcome, polled.report.detail) == ("ok", "")
    assert (polled.exit_code, polled.disposition) == (0, None)


def test_the_seconds_are_those_since_the_start(tally: Tally, clock: HandClock) -> None:
    clock.advance(timedelta(seconds=2.3456))
    report = tally.polled().report
    assert (report.started, report.seconds) == (datetime(2026, 3, 1, 12, tzinfo=UTC), 2.346)


def test_what_waits_is_what_was_wanted_and_is_not_stored(tally: Tally) -> None:
    tally.wanted, tally.fetched, tally.stored = 5, 4, 3
    assert tally.polled().report.waiting == 2


def test_the_counts_are_reported_after_an_error_too(tally: Tally) -> None:
    tally.listed, tally.fetched, tally.stored, tally.deleted, tally.octets = 5, 4, 3, 2, 1
    report = failed(tally, SinkError("no")).report
    assert (report.listed, report.fetched, report.stored, report.deleted, report.bytes) == (5, 4, 3, 2, 1)


def test_an_error_gives_its_code_and_its_disposition(tally: Tally) -> None:
    polled = failed(tally, SinkError("no"))
    assert (polled.report.outcome, polled.exit_code) == ("sink-error", 73)
    assert polled.disposition is Disposition.BACK_OFF


def test_the_detail_is_the_error_and_what_helps(tally: Tally) -> None:
    detail = failed(tally, SinkError("the disk is full", remedy="make room")).report.detail
    assert "the disk is full" in detail
    assert "make room" in detail


def test_the_detail_of_an_error_without_a_remedy_is_its_words_alone(tally: Tally) -> None:
    assert failed(tally, SinkError("the disk is full")).report.detail == "the disk is full"


def test_messages_that_were_refused_are_to_be_asked_for_again(tally: Tally) -> None:
    tally.refused = 2
    polled = tally.polled()
    assert (polled.report.outcome, polled.exit_code) == ("messages-refused", 75)
    assert polled.disposition is Disposition.RETRY
    assert "2" in polled.report.detail


def test_an_error_outweighs_refused_messages(tally: Tally) -> None:
    tally.refused = 2
    assert failed(tally, SinkError("no")).report.outcome == "sink-error"


def test_a_session_was_served_unless_an_error_ended_it(tally: Tally) -> None:
    assert tally.polled().served
    tally.refused = 2
    assert tally.polled().served
    assert not failed(tally, SinkError("no")).served


def test_whether_an_error_concerns_the_credential_is_passed_on(tally: Tally) -> None:
    assert failed(tally, TokenUnavailable("no answer")).of_credential
    assert not failed(tally, SinkError("no")).of_credential


def test_a_secret_in_an_error_is_not_reported(tally: Tally) -> None:
    report = failed(tally, SinkError("it said: password=hunter2-and-more")).report

    assert "hunter2" not in report.detail


def test_an_error_with_octets_of_a_file_name_can_be_written_down(tally: Tally) -> None:
    detail = failed(tally, SinkError("cannot remove /spool/\udcff")).report.detail
    assert detail.encode()


@pytest.mark.parametrize(
    ("seconds", "fetched", "answer"), [(30, 0, Answer.MISSED), (29, 0, Answer.GIVEN), (900, 1, Answer.GIVEN)]
)
def test_a_connection_lost_after_long_without_a_message_is_no_answer(
    tally: Tally, clock: HandClock, seconds: int, fetched: int, answer: Answer
) -> None:
    tally.fetched = fetched
    clock.advance(timedelta(seconds=seconds))
    assert failed(tally, ConnectionLost("closed", phase=Phase.AUTH)).answer is answer
