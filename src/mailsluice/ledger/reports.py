"""The reports: what `status` shows of a mailbox, how its last session went, and totals of all sessions.

Owns the report table, and what was noted for it but is not written yet. Must never keep anything that decides
the fate of a message.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mailsluice.ledger import clock, failures, mailboxes
from mailsluice.ledger.clock import LedgerClock
from mailsluice.ledger.database import Database
from mailsluice.ledger.rows import numbers, real, text, to_json, whole
from mailsluice.ledger.times import from_micros, to_micros
from mailsluice.model import MailboxKey, SessionReport
from mailsluice.outcome import Outcome, Standing
from mailsluice.report import MailboxReport

_LATE = ("refused", "unclear", "undeletable")
"""Words of `failure.Held` for what a session only finds out as it goes on, not from its listing."""
_ACKNOWLEDGE = "UPDATE report SET acknowledged = held WHERE mailbox = ?"


@dataclass
class News:
    """What is to be written about a mailbox: all its sessions since the last write, added up.

    So many sessions take no more memory than one: the disk may be full for days.
    """

    name: str = ""
    last: SessionReport | None = None
    waiting: int | None = None
    held: Mapping[str, int] | None = None
    raised: Mapping[str, int] | None = None
    """What is held, by sessions that broke since the last complete one.

    They may have ended before they found out all of `_LATE`.
    """
    last_success: datetime | None = None
    failures: int = 0
    """Failed sessions since the last success among these sessions; or all of them, if none was a success."""
    last_error: str | None = None
    due: datetime | None = None
    scheduled: bool = False
    """Whether `due` was noted: None alone could also mean "never polled again"."""

    def session(self, report: SessionReport) -> None:
        """Add a session. If it ended before it had a listing, it does not know what is waiting."""
        self.name, self.last = report.mailbox, report
        standing = report.outcome.standing
        if standing is Standing.SUCCESS:
            self.last_success, self.failures = report.started, 0
        elif standing is Standing.FAILURE:
            self.failures += 1
            self.last_error = report.detail or report.outcome.value
        # A failed session with `listed` 0 may have had no listing at all.
        if standing is Standing.SUCCESS or report.listed:
            self.waiting = report.waiting
        if report.held is not None:
            if report.outcome.is_complete:
                self.held, self.raised = report.held, None
            else:
                before = self.held if self.raised is None else self.raised
                self.raised = {**report.held, **_most_late(before or {}, report.held)}

    def next_poll(self, name: str, due: datetime | None) -> None:
        """Note when the mailbox is polled next, and its name."""
        self.name, self.due, self.scheduled = name, due, True


class Reports:
    """Keeps the promises of `session.ports.Reports`. What was not flushed is lost when the process ends.

    Every method except `note_session` and `note_next_poll` raises LedgerError.
    """

    def __init__(self, database: Database, clock: LedgerClock) -> None:
        self._database = database
        self._clock = clock
        self._pending = threading.Lock()
        self._news: dict[MailboxKey, News] = {}

    def note_session(self, key: MailboxKey, report: SessionReport) -> None:
        """Remember how a session went. `flush` writes it."""
        with self._pending:
            self._news.setdefault(key, News()).session(report)

    def note_next_poll(self, key: MailboxKey, name: str, due: datetime | None) -> None:
        """Remember when the mailbox called `name` is polled next; None for never. `flush` writes it."""
        with self._pending:
            self._news.setdefault(key, News()).next_poll(name, due)

    def flush(self) -> None:
        """Write what was noted since the last call, and the ledger's clock, in one commit.

        What cannot be written is kept for the next call. If nothing was noted, nothing is written.
        """
        with self._pending:
            if not self._news:
                return
            with self._database.writing() as connection:
                for key, news in self._news.items():
                    _write(connection, mailboxes.found(connection, key), news)
                clock.note(connection, self._clock.moment())
            self._news.clear()  # only after the commit

    def acknowledge(self, key: MailboxKey) -> None:
        """Note that an administrator has acknowledged all messages of this mailbox that are held now."""
        with self._database.writing() as connection:
            connection.execute(_ACKNOWLEDGE, (mailboxes.found(connection, key),))

    def read(self) -> Mapping[MailboxKey, MailboxReport]:
        """The report of every mailbox that was ever polled or due, as it was last written."""
        with self._database.reading() as connection:
            return _read(connection)


def _write(connection: sqlite3.Connection, mailbox: int, news: News) -> None:
    """Add the news to the mailbox's report."""
    connection.execute("INSERT INTO report (mailbox) VALUES (?) ON CONFLICT DO NOTHING", (mailbox,))
    connection.execute("UPDATE report SET name = ? WHERE mailbox = ?", (news.name, mailbox))
    if news.scheduled:
        due = None if news.due is None else to_micros(news.due)
        connection.execute("UPDATE report SET next_poll = ? WHERE mailbox = ?", (due, mailbox))
    if news.last is not None:
        _write_session(connection, mailbox, news, news.last)


def _write_session(connection: sqlite3.Connection, mailbox: int, news: News, last: SessionReport) -> None:
    success = None if news.last_success is None else to_micros(news.last_success)
    connection.execute(
        "UPDATE report SET started = ?, seconds = ?, listed = ?, fetched = ?, stored = ?, deleted = ?,"
        " octets = ?, waiting = coalesce(?, waiting, 0), outcome = ?, detail = ?,"
        " last_success = coalesce(?, last_success), failures = iif(?, 0, failures) + ?,"
        " last_error = coalesce(?, last_error)"
        " WHERE mailbox = ?",
        (
            to_micros(last.started),
            last.seconds,
            last.listed,
            last.fetched,
            last.stored,
            last.deleted,
            last.bytes,
            news.waiting,
            last.outcome.value,
            last.detail,
            success,
            success is not None,
            news.failures,
            news.last_error,
            mailbox,
        ),
    )
    if news.held is not None or news.raised is not None:
        _write_held(connection, mailbox, news)


def _write_held(connection: sqlite3.Connection, mailbox: int, news: News) -> None:
    """Note what is held. The acknowledged counts may only fall: if more is held later, people hear of it."""
    row = connection.execute("SELECT held, acknowledged FROM report WHERE mailbox = ?", (mailbox,)).fetchone()
    before, acknowledged = map(numbers, row)
    held = before if news.held is None else news.held
    if news.raised is not None:
        held = {**news.raised, **_most_late(held, news.raised)}
    still_acknowledged = {why: min(count, held[why]) for why, count in acknowledged.items() if why in held}
    connection.execute(
        "UPDATE report SET held = ?, acknowledged = ? WHERE mailbox = ?",
        (to_json(held), to_json(still_acknowledged), mailbox),
    )


def _most_late(one: Mapping[str, int], other: Mapping[str, int]) -> Mapping[str, int]:
    """The larger count of each word in `_LATE`."""
    return {why: most for why in _LATE if (most := max(one.get(why, 0), other.get(why, 0)))}


def add_stored(connection: sqlite3.Connection, mailbox: int, messages: int) -> None:
    """Count messages as stored, in the transaction that commits them, so that no crash loses this number."""
    connection.execute("INSERT INTO report (mailbox) VALUES (?) ON CONFLICT DO NOTHING", (mailbox,))
    connection.execute(
        "UPDATE report SET total_stored = total_stored + ? WHERE mailbox = ?", (messages, mailbox)
    )


def _read(connection: sqlite3.Connection) -> dict[MailboxKey, MailboxReport]:
    """Every mailbox's report, by host and address."""
    cursor = connection.cursor()  # of its own: the row factory of the connection is for everybody
    cursor.row_factory = sqlite3.Row
    held = failures.quarantined(connection)
    rows = cursor.execute("SELECT * FROM report JOIN mailbox ON mailbox.id = report.mailbox ORDER BY name")
    return {
        MailboxKey(text(row["host"]), text(row["address"])): _report(row, held[row["id"]]) for row in rows
    }


def _report(row: sqlite3.Row, quarantined: int) -> MailboxReport:
    return MailboxReport(
        name=text(row["name"] or row["address"]),
        next_poll=_time(row["next_poll"]),
        last_success=_time(row["last_success"]),
        failures=whole(row["failures"]),
        last_error=text(row["last_error"]),
        total_stored=whole(row["total_stored"]),
        last=None if row["started"] is None else _session(row),
        quarantined=quarantined,
        held=numbers(row["held"]),
        acknowledged=numbers(row["acknowledged"]),
    )


def _session(row: sqlite3.Row) -> SessionReport:
    return SessionReport(
        mailbox=text(row["name"]),
        started=from_micros(row["started"]),
        listed=whole(row["listed"]),
        fetched=whole(row["fetched"]),
        stored=whole(row["stored"]),
        deleted=whole(row["deleted"]),
        bytes=whole(row["octets"]),
        seconds=real(row["seconds"]),
        waiting=whole(row["waiting"]),
        outcome=Outcome.read(text(row["outcome"])),
        detail=text(row["detail"]),
        held=numbers(row["held"]),
    )


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
