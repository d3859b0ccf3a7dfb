"""What every ledger promises of the reports: `session.ports.Reports`, on each implementation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mailsluice.model import MailboxKey, Quiet, SessionReport, Staged, Stored
from mailsluice.outcome import Outcome, Standing
from mailsluice.report import MailboxReport
from mailsluice.session.ports import Ledger, Messages, Reports
from support.confirming import confirm

NOW = datetime(2026, 3, 1, 12, 30, 45, 123456, tzinfo=UTC)
LATER = NOW + timedelta(minutes=2)
KEY = MailboxKey("host.example", "a@b.example")
OTHER = MailboxKey("host.example", "c@b.example")
GOOD = SessionReport(
    mailbox="inv",
    started=NOW,
    listed=9,
    fetched=3,
    stored=3,
    deleted=2,
    bytes=1234,
    seconds=1.5,
    waiting=6,
    outcome=Outcome.OK,
    detail="",
    held={},
)
BAD = replace(GOOD, started=LATER, stored=1, outcome=Outcome.CONNECTION_LOST, detail="the server closed")


@pytest.fixture(params=["one by one", "all at once"])
def reports(request: pytest.FixtureRequest, ledger: Ledger) -> Reports:
    """What is noted is written after each session, or when it is looked at."""
    return Flushing(ledger.reports) if request.param == "one by one" else ledger.reports


class Flushing:
    """Writes at once."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self.flush, self.acknowledge, self.read = reports.flush, reports.acknowledge, reports.read

    def note_session(self, key: MailboxKey, report: SessionReport) -> None:
        self._reports.note_session(key, report)
        self.flush()

    def note_next_poll(self, key: MailboxKey, name: str, due: datetime | None) -> None:
        self._reports.note_next_poll(key, name, due)
        self.flush()


def written(reports: Reports) -> Mapping[MailboxKey, MailboxReport]:
    reports.flush()
    return reports.read()


def test_a_ledger_nobody_used_reports_nothing(reports: Reports) -> None:
    assert written(reports) == {}


def test_the_last_session_is_reported_as_it_was(reports: Reports) -> None:
    reports.note_session(KEY, replace(GOOD, listed=1))
    reports.note_session(KEY, GOOD)
    assert written(reports)[KEY].last == GOOD


def test_a_success_is_noted(reports: Reports) -> None:
    reports.note_session(KEY, GOOD)
    report = written(reports)[KEY]
    assert (report.name, report.last_success, report.failures, report.last_error) == ("inv", NOW, 0, "")


def test_failures_are_counted_since_the_last_success(reports: Reports) -> None:
    for session in (BAD, GOOD, BAD, BAD):
        reports.note_session(KEY, session)
    report = written(reports)[KEY]
    assert (report.failures, report.last_success, report.last_error) == (2, NOW, "the server closed")


def test_failures_after_a_success_are_counted_from_there(reports: Reports) -> None:
    for session in (BAD, BAD, GOOD, BAD):
        reports.note_session(KEY, session)
    assert written(reports)[KEY].failures == 1


@pytest.mark.parametrize("outcome", Outcome)
def test_what_a_session_counts_as_decides_about_the_count_of_failures(
    reports: Reports, outcome: Outcome
) -> None:
    reports.note_session(KEY, BAD)
    reports.note_session(KEY, replace(GOOD, outcome=outcome))
    expected = {Standing.SUCCESS: 0, Standing.NEITHER: 1, Standing.FAILURE: 2}
    assert written(reports)[KEY].failures == expected[outcome.standing]


def test_the_last_error_outlives_the_next_success(reports: Reports) -> None:
    reports.note_session(KEY, BAD)
    reports.note_session(KEY, GOOD)
    report = written(reports)[KEY]
    assert (report.failures, report.last_error) == (0, "the server closed")


def test_an_error_without_detail_is_known_by_its_code(reports: Reports) -> None:
    reports.note_session(KEY, replace(BAD, detail=""))
    assert written(reports)[KEY].last_error == "connection-lost"


def test_the_total_counts_what_is_committed_also_of_sessions_that_never_reported(
    reports: Reports, messages: Messages
) -> None:
    staged = [Staged(uidl, f"name-{uidl.decode()}", 10) for uidl in (b"1", b"2")]
    messages.record(KEY, staged, "spool:/spool", NOW)
    stored = [Stored(message.uidl, message.name) for message in staged]

    messages.commit(KEY, stored, NOW)
    messages.commit(KEY, stored, NOW)

    report = written(reports)[KEY]
    assert (report.total_stored, report.name, report.last) == (2, KEY.address, None)


def test_a_session_does_not_change_the_total(reports: Reports) -> None:
    reports.note_session(KEY, GOOD)
    assert written(reports)[KEY].total_stored == 0


def test_the_next_poll_is_known_before_the_first_session(reports: Reports) -> None:
    reports.note_next_poll(KEY, "inv", LATER)
    report = written(reports)[KEY]
    assert (report.name, report.next_poll, report.last, report.last_success) == ("inv", LATER, None, None)


def test_next_poll_and_session_do_not_disturb_each_other(reports: Reports) -> None:
    reports.note_next_poll(KEY, "inv", LATER)
    reports.note_session(KEY, GOOD)
    reports.note_next_poll(KEY, "inv", None)
    report = written(reports)[KEY]
    assert (report.next_poll, report.last) == (None, GOOD)


def test_a_mailbox_that_was_renamed_is_reported_under_its_new_name(reports: Reports) -> None:
    reports.note_session(KEY, GOOD)
    reports.note_next_poll(KEY, "bills", LATER)
    assert written(reports)[KEY].name == "bills"


def test_a_report_is_no_message(reports: Reports, messages: Messages) -> None:
    reports.note_session(KEY, GOOD)
    assert messages.known(KEY) == {}


def test_a_report_leaves_a_quiet_listing_quiet(reports: Reports, messages: Messages) -> None:
    confirm(messages, KEY, [], [], NOW, Quiet(b"digest", LATER))
    reports.note_session(KEY, GOOD)
    reports.note_next_poll(KEY, "inv", LATER)
    reports.flush()
    assert messages.quiet(KEY, b"digest", NOW) is not None


def test_what_is_acknowledged_is_no_news_until_there_is_more(reports: Reports) -> None:
    reports.note_session(KEY, replace(GOOD, held={"too-large": 2}))
    assert written(reports)[KEY].news == 2
    reports.acknowledge(KEY)
    assert written(reports)[KEY].news == 0
    reports.note_session(KEY, replace(GOOD, held={"too-large": 3}))
    assert written(reports)[KEY].news == 1


def test_what_is_not_flushed_is_not_written(ledger: Ledger) -> None:
    ledger.reports.note_session(KEY, GOOD)
    assert ledger.reports.read() == {}


def test_what_was_flushed_is_read_by_who_opened_the_ledger_too(
    reports: Reports, opened: Callable[[], Ledger]
) -> None:
    reports.note_session(KEY, GOOD)
    reports.flush()
    with opened() as other:
        assert other.reports.read()[KEY].last == GOOD
