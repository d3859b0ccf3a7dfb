from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailsluice.errors import LedgerError
from mailsluice.ledger.database import FILE
from mailsluice.ledger.ledger import Ledger
from mailsluice.ledger.reports import MailboxReport
from mailsluice.model import MailboxKey, Quiet, SessionReport, Staged, Stored
from mailsluice.outcome import Outcome, Standing
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
BAD = GOOD._replace(started=LATER, stored=1, outcome=Outcome.CONNECTION_LOST, detail="the server closed")


@pytest.fixture(params=["one by one", "all at once"])
def ledger(request: pytest.FixtureRequest, state_dir: Path) -> Iterator[Ledger]:
    """What is noted is written after each session, or when it is looked at."""
    kind = Flushing if request.param == "one by one" else Ledger
    with kind(state_dir) as ledger:
        yield ledger


class Flushing(Ledger):
    def note_session(self, key: MailboxKey, report: SessionReport) -> None:
        super().note_session(key, report)
        self.flush()

    def note_next_poll(self, key: MailboxKey, name: str, due: datetime | None) -> None:
        super().note_next_poll(key, name, due)
        self.flush()


def written(ledger: Ledger) -> Mapping[MailboxKey, MailboxReport]:
    ledger.flush()
    return ledger.reports()


def test_a_ledger_nobody_used_reports_nothing(ledger: Ledger) -> None:
    assert written(ledger) == {}


def test_the_last_session_is_reported_as_it_was(ledger: Ledger) -> None:
    ledger.note_session(KEY, GOOD._replace(listed=1))
    ledger.note_session(KEY, GOOD)
    assert written(ledger)[KEY].last == GOOD


def test_a_success_is_noted(ledger: Ledger) -> None:
    ledger.note_session(KEY, GOOD)
    report = written(ledger)[KEY]
    assert (report.name, report.last_success, report.failures, report.last_error) == ("inv", NOW, 0, "")


def test_failures_are_counted_since_the_last_success(ledger: Ledger) -> None:
    for session in (BAD, GOOD, BAD, BAD):
        ledger.note_session(KEY, session)
    report = written(ledger)[KEY]
    assert (report.failures, report.last_success, report.last_error) == (2, NOW, "the server closed")


def test_failures_after_a_success_are_counted_from_there(ledger: Ledger) -> None:
    for session in (BAD, BAD, GOOD, BAD):
        ledger.note_session(KEY, session)
    assert written(ledger)[KEY].failures == 1


def test_the_last_error_outlives_the_next_success(ledger: Ledger) -> None:
    ledger.note_session(KEY, BAD)
    ledger.note_session(KEY, GOOD)
    report = written(ledger)[KEY]
    assert (report.failures, report.last_error) == (0, "the server closed")


@pytest.mark.parametrize("outcome", Outcome)
def test_what_a_session_counts_as_decides_about_the_count_of_failures(
    ledger: Ledger, outcome: Outcome
) -> None:
    ledger.note_session(KEY, BAD)
    ledger.note_session(KEY, GOOD._replace(outcome=outcome))
    expected = {Standing.SUCCESS: 0, Standing.NEITHER: 1, Standing.FAILURE: 2}
    assert written(ledger)[KEY].failures == expected[outcome.standing]


def test_an_outcome_that_another_version_wrote_is_shown_as_unknown(ledger: Ledger, state_dir: Path) -> None:
    ledger.note_session(KEY, GOOD)
    ledger.flush()
    with closing(sqlite3.connect(state_dir / FILE)) as other:
        other.execute("UPDATE report SET outcome = 'printer-on-fire'")
        other.commit()
    assert written(ledger)[KEY].last == GOOD._replace(outcome=Outcome.UNKNOWN)


def test_an_error_without_detail_is_known_by_its_code(ledger: Ledger) -> None:
    ledger.note_session(KEY, BAD._replace(detail=""))
    assert written(ledger)[KEY].last_error == "connection-lost"


def test_the_total_counts_what_is_committed_also_of_sessions_that_never_reported(ledger: Ledger) -> None:
    messages = [Staged(uidl, f"name-{uidl.decode()}", 10) for uidl in (b"1", b"2")]
    ledger.record(KEY, messages, "spool:/spool", NOW)
    stored = [Stored(message.uidl, message.name) for message in messages]

    ledger.commit(KEY, stored, NOW)
    ledger.commit(KEY, stored, NOW)

    report = written(ledger)[KEY]
    assert (report.total_stored, report.name, report.last) == (2, KEY.address, None)


def test_a_session_does_not_change_the_total(ledger: Ledger) -> None:
    ledger.note_session(KEY, GOOD)
    assert written(ledger)[KEY].total_stored == 0


def test_the_next_poll_is_known_before_the_first_session(ledger: Ledger) -> None:
    ledger.note_next_poll(KEY, "inv", LATER)
    report = written(ledger)[KEY]
    assert (report.name, report.next_poll, report.last, report.last_success) == ("inv", LATER, None, None)


def test_next_poll_and_session_do_not_disturb_each_other(ledger: Ledger) -> None:
    ledger.note_next_poll(KEY, "inv", LATER)
    ledger.note_session(KEY, GOOD)
    ledger.note_next_poll(KEY, "inv", None)
    report = written(ledger)[KEY]
    assert (report.next_poll, report.last) == (None, GOOD)


def test_a_mailbox_that_was_renamed_is_reported_under_its_new_name(ledger: Ledger) -> None:
    ledger.note_session(KEY, GOOD)
    ledger.note_next_poll(KEY, "bills", LATER)
    assert written(ledger)[KEY].name == "bills"


def test_a_report_is_no_message(ledger: Ledger, state_dir: Path) -> None:
    ledger.note_session(KEY, GOOD)
    assert ledger.known(KEY) == {}
    assert (state_dir / FILE).exists()


def test_what_was_noted_of_many_sessions_is_written_in_one_commit(state_dir: Path) -> None:
    with Ledger(state_dir) as ledger:
        for session in [GOOD, BAD] * 5:
            ledger.note_session(KEY, session)
            ledger.note_session(OTHER, session)
        said: list[str] = []
        ledger._database._connection.set_trace_callback(said.append)
        ledger.flush()
        assert said.count("COMMIT") == 1
        ledger.flush()
        assert said.count("COMMIT") == 1
        assert set(ledger.reports()) == {KEY, OTHER}


def test_what_cannot_be_written_is_kept_for_the_next_time(state_dir: Path) -> None:
    with Ledger(state_dir) as ledger:
        ledger.note_session(KEY, BAD)
        ledger._database._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(LedgerError):
            ledger.flush()
        ledger.note_session(KEY, BAD._replace(detail="again"))
        ledger._database._connection.execute("PRAGMA query_only = OFF")
        ledger.flush()
        report = ledger.reports()[KEY]
    assert (report.failures, report.last_error) == (2, "again")


def test_a_report_leaves_a_quiet_listing_quiet(ledger: Ledger) -> None:
    confirm(ledger, KEY, [], [], NOW, Quiet(b"digest", LATER))
    ledger.note_session(KEY, GOOD)
    ledger.note_next_poll(KEY, "inv", LATER)
    ledger.flush()
    assert ledger.quiet(KEY, b"digest", NOW) is not None
