"""How this ledger writes the reports. That it keeps the port's promises: tests/contracts."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailsluice.errors import LedgerError
from mailsluice.ledger.database import FILE
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import MailboxKey, SessionReport
from mailsluice.outcome import Outcome

NOW = datetime(2026, 3, 1, 12, 30, 45, 123456, tzinfo=UTC)
KEY = MailboxKey("host.example", "a@b.example")
OTHER = MailboxKey("host.example", "c@b.example")
GOOD = SessionReport("inv", NOW, 9, 3, 3, 2, 1234, 1.5, 6, Outcome.OK, "", {})
BAD = replace(
    GOOD, started=NOW + timedelta(minutes=2), outcome=Outcome.CONNECTION_LOST, detail="the server closed"
)


def test_what_was_noted_of_many_sessions_is_written_in_one_commit(state_dir: Path) -> None:
    with Ledger(state_dir) as ledger:
        for session in [GOOD, BAD] * 5:
            ledger.reports.note_session(KEY, session)
            ledger.reports.note_session(OTHER, session)
        said: list[str] = []
        ledger._database._connection.set_trace_callback(said.append)
        ledger.reports.flush()
        assert said.count("COMMIT") == 1
        ledger.reports.flush()
        assert said.count("COMMIT") == 1
        assert set(ledger.reports.read()) == {KEY, OTHER}


def test_what_cannot_be_written_is_kept_for_the_next_time(state_dir: Path) -> None:
    with Ledger(state_dir) as ledger:
        ledger.reports.note_session(KEY, BAD)
        ledger._database._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(LedgerError):
            ledger.reports.flush()
        ledger.reports.note_session(KEY, replace(BAD, detail="again"))
        ledger._database._connection.execute("PRAGMA query_only = OFF")
        ledger.reports.flush()
        report = ledger.reports.read()[KEY]
    assert (report.failures, report.last_error) == (2, "again")


def test_an_outcome_that_another_version_wrote_is_shown_as_unknown(state_dir: Path) -> None:
    with Ledger(state_dir) as ledger:
        ledger.reports.note_session(KEY, GOOD)
        ledger.reports.flush()
        with closing(sqlite3.connect(state_dir / FILE)) as other:
            other.execute("UPDATE report SET outcome = 'printer-on-fire'")
            other.commit()
        assert ledger.reports.read()[KEY].last == replace(GOOD, outcome=Outcome.UNKNOWN)
