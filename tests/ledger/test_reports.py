from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mailsluice.ledger.database import FILE
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import MailboxKey, SessionReport, Staged, Stored

NOW = datetime(2026, 3, 1, 12, 30, 45, 123456, tzinfo=UTC)
LATER = NOW + timedelta(minutes=2)
KEY = MailboxKey("host.example", "a@b.example")
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
    outcome="ok",
    detail="",
)
BAD = replace(GOOD, started=LATER, stored=1, outcome="connection-lost", detail="the server closed")


def test_a_ledger_nobody_used_reports_nothing(ledger: Ledger) -> None:
    assert ledger.reports() == {}


def test_the_last_session_is_reported_as_it_was(ledger: Ledger) -> None:
    ledger.note_session(KEY, replace(GOOD, listed=1))
    ledger.note_session(KEY, GOOD)
    assert ledger.reports()[KEY].last == GOOD


def test_a_success_is_noted(ledger: Ledger) -> None:
    ledger.note_session(KEY, GOOD)
    report = ledger.reports()[KEY]
    assert (report.name, report.last_success, report.failures, report.last_error) == ("inv", NOW, 0, "")


def test_failures_are_counted_since_the_last_success(ledger: Ledger) -> None:
    for session in (BAD, GOOD, BAD, BAD):
        ledger.note_session(KEY, session)
    report = ledger.reports()[KEY]
    assert (report.failures, report.last_success, report.last_error) == (2, NOW, "the server closed")


def test_the_last_error_outlives_the_next_success(ledger: Ledger) -> None:
    ledger.note_session(KEY, BAD)
    ledger.note_session(KEY, GOOD)
    report = ledger.reports()[KEY]
    assert (report.failures, report.last_error) == (0, "the server closed")


def test_an_error_without_detail_is_known_by_its_code(ledger: Ledger) -> None:
    ledger.note_session(KEY, replace(BAD, detail=""))
    assert ledger.reports()[KEY].last_error == "connection-lost"


def test_the_total_counts_what_is_committed_also_of_sessions_that_never_reported(ledger: Ledger) -> None:
    messages = [Staged(uidl, f"name-{uidl.decode()}", 10) for uidl in (b"1", b"2")]
    ledger.record(KEY, messages, "spool:/spool", NOW)
    stored = [Stored(message.uidl, message.name) for message in messages]

    ledger.commit(KEY, stored, NOW)
    ledger.commit(KEY, stored, NOW)

    report = ledger.reports()[KEY]
    assert (report.total_stored, report.name, report.last) == (2, KEY.address, None)


def test_a_session_does_not_change_the_total(ledger: Ledger) -> None:
    ledger.note_session(KEY, GOOD)
    assert ledger.reports()[KEY].total_stored == 0


def test_the_next_poll_is_known_before_the_first_session(ledger: Ledger) -> None:
    ledger.note_next_poll(KEY, "inv", LATER)
    report = ledger.reports()[KEY]
    assert (report.name, report.next_poll, report.last, report.last_success) == ("inv", LATER, None, None)


def test_many_next_polls_are_noted_together(ledger: Ledger) -> None:
    other = MailboxKey(KEY.host, "other@acme.example")

    ledger.note_next_polls([(KEY, "inv", LATER), (other, "other", None)])

    assert [(each.name, each.next_poll) for each in ledger.reports().values()] == [
        ("inv", LATER),
        ("other", None),
    ]


def test_next_poll_and_session_do_not_disturb_each_other(ledger: Ledger) -> None:
    ledger.note_next_poll(KEY, "inv", LATER)
    ledger.note_session(KEY, GOOD)
    ledger.note_next_poll(KEY, "inv", None)
    report = ledger.reports()[KEY]
    assert (report.next_poll, report.last) == (None, GOOD)


def test_a_mailbox_that_was_renamed_is_reported_under_its_new_name(ledger: Ledger) -> None:
    ledger.note_session(KEY, GOOD)
    ledger.note_next_poll(KEY, "bills", LATER)
    assert ledger.reports()[KEY].name == "bills"


def test_a_report_is_no_message(ledger: Ledger, state_dir: Path) -> None:
    ledger.note_session(KEY, GOOD)
    assert ledger.known(KEY) == {}
    assert (state_dir / FILE).exists()
