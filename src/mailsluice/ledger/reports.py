"""What `status` shows of a mailbox: how its last session went, and what all of them came to.

Owns the report table. Nothing that decides the fate of a message may be kept here.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from mailsluice.ledger.times import from_micros, to_micros
from mailsluice.model import TRIES, MailboxKey, SessionReport

_OK = "ok"
_NEITHER = frozenset({"mailbox-locked", "stopped"})
"""Outcomes of sessions that neither went well nor failed: others came first."""


@dataclass(frozen=True, slots=True)
class MailboxReport:
    """What is known of a mailbox apart from its messages.

    `name` is the address as long as the section's name is not known. `failures` counts sessions since the
    last success, and `last_error` is what the latest failure was, also when it is over. `last` is None
    before the first session. `quarantined` is how many messages are set aside.
    """

    name: str
    next_poll: datetime | None
    last_success: datetime | None
    failures: int
    last_error: str
    total_stored: int
    last: SessionReport | None
    quarantined: int = 0


def note_session(connection: sqlite3.Connection, mailbox: int, report: SessionReport) -> None:
    """Make this the mailbox's last session, and add it to the totals.

    One that ended before it had a listing says nothing of how many messages are waiting.
    """
    succeeded = report.outcome == _OK
    failed = not succeeded and report.outcome not in _NEITHER
    waiting = report.waiting if succeeded or report.listed else None
    connection.execute("INSERT INTO report (mailbox) VALUES (?) ON CONFLICT DO NOTHING", (mailbox,))
    connection.execute(
        "UPDATE report SET name = ?, started = ?, seconds = ?, listed = ?, fetched = ?, stored = ?,"
        " deleted = ?, octets = ?, waiting = coalesce(?, waiting, 0), outcome = ?, detail = ?,"
        " last_success = iif(?, ?, last_success),"
        " failures = iif(?, 0, failures + ?),"
        " last_error = iif(?, ?, last_error)"
        " WHERE mailbox = ?",
        (
            report.mailbox,
            to_micros(report.started),
            report.seconds,
            report.listed,
            report.fetched,
            report.stored,
            report.deleted,
            report.bytes,
            waiting,
            report.outcome,
            report.detail,
            succeeded,
            to_micros(report.started),
            succeeded,
            failed,
            failed,
            report.detail or report.outcome,
            mailbox,
        ),
    )


def add_stored(connection: sqlite3.Connection, mailbox: int, messages: int) -> None:
    """Count messages as stored, in the transaction that commits them: this number is lost by no crash."""
    connection.execute("INSERT INTO report (mailbox) VALUES (?) ON CONFLICT DO NOTHING", (mailbox,))
    connection.execute(
        "UPDATE report SET total_stored = total_stored + ? WHERE mailbox = ?", (messages, mailbox)
    )


def note_next_poll(connection: sqlite3.Connection, mailbox: int, name: str, due: datetime | None) -> None:
    """Note when the mailbox is polled next, and what it is called."""
    connection.execute(
        "INSERT INTO report (mailbox, name, next_poll) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET name = excluded.name, next_poll = excluded.next_poll",
        (mailbox, name, None if due is None else to_micros(due)),
    )


def read(connection: sqlite3.Connection) -> dict[MailboxKey, MailboxReport]:
    """Every mailbox's report, by host and address."""
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    rows = cursor.execute(
        "SELECT *, (SELECT count(*) FROM setback WHERE mailbox = id AND setback.failures >= ?) AS quarantined"
        " FROM report JOIN mailbox ON mailbox.id = report.mailbox ORDER BY name",
        (TRIES,),
    )
    return {MailboxKey(row["host"], row["address"]): _report(row) for row in rows}


def _report(row: sqlite3.Row) -> MailboxReport:
    return MailboxReport(
        name=row["name"] or row["address"],
        next_poll=_time(row["next_poll"]),
        last_success=_time(row["last_success"]),
        failures=row["failures"],
        last_error=row["last_error"],
        total_stored=row["total_stored"],
        last=None if row["started"] is None else _session(row),
        quarantined=row["quarantined"],
    )


def _session(row: sqlite3.Row) -> SessionReport:
    return SessionReport(
        mailbox=row["name"],
        started=from_micros(row["started"]),
        listed=row["listed"],
        fetched=row["fetched"],
        stored=row["stored"],
        deleted=row["deleted"],
        bytes=row["octets"],
        seconds=row["seconds"],
        waiting=row["waiting"],
        outcome=row["outcome"],
        detail=row["detail"],
    )


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
