"""The stagings: where messages are staged, or were staged before, in the sinks that the ledger feeds.

Owns the tables of staging directories and of names left behind, and when these were last tidied up. Must
never look at a sink itself.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from mailsluice.ledger import mailboxes
from mailsluice.ledger.database import Database
from mailsluice.ledger.rows import DamagedRow, text
from mailsluice.ledger.times import from_micros, to_micros
from mailsluice.model import MailboxKey, Where

_COLUMNS = """
    SELECT host, address, sink, sink_id, mounts, place, token FROM staging JOIN mailbox ON id = mailbox
"""
_OF_MAILBOX = f"{_COLUMNS} WHERE host = ? AND address = ? AND sink = ?"
_OF_ANY = f"{_COLUMNS} WHERE sink = ? LIMIT 1"
_MOUNTS = "SELECT DISTINCT mounts FROM staging"
_NOTE = """
    INSERT INTO staging (mailbox, sink, sink_id, mounts, place, token) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
        sink_id = excluded.sink_id, mounts = excluded.mounts, place = excluded.place, token = excluded.token
"""
_FORGET = "DELETE FROM staging WHERE mailbox = ? AND sink = ?"
_ORPHANS = "SELECT name, since FROM orphan WHERE sink = ?"
_NOTE_ORPHAN = "INSERT INTO orphan (sink, name, since) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_FORGET_ORPHAN = "DELETE FROM orphan WHERE sink = ? AND name = ?"
_TIDIED = "SELECT tidied FROM ledger"
_NOTE_TIDIED = "UPDATE ledger SET tidied = ?"


class Stagings:
    """Keeps the promises of `session.ports.Stagings`. Every method raises LedgerError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, key: MailboxKey, sink: str) -> Where | None:
        """Where this mailbox's messages were last staged in the sink of this spec.

        If only messages of other mailboxes were staged in this sink, the answer has no place. If the sink was
        never used, it has no id, and all mounts that any sink was on. None if there never was a sink.
        """
        with self._database.reading() as connection:
            if own := connection.execute(_OF_MAILBOX, (key.host, key.address, sink)).fetchone():
                return _where(*own[2:])
            other = connection.execute(_OF_ANY, (sink,)).fetchone()
            if other is not None:
                return replace(_where(*other[2:]), place="", token="")
            # All mounts of all sinks: a new sink may be below one of them, and that must be mounted, too.
            mounts_of_sinks = [_points(mounts) for (mounts,) in connection.execute(_MOUNTS).fetchall()]
            every_point = {point for points in mounts_of_sinks for point in points}
            return Where(sink, "", tuple(sorted(every_point)), "") if mounts_of_sinks else None

    def every(self) -> Sequence[tuple[MailboxKey, Where]]:
        """Every known staging directory, with its mailbox."""
        with self._database.reading() as connection:
            rows = connection.execute(_COLUMNS).fetchall()
            return [(MailboxKey(text(host), text(address)), _where(*rest)) for host, address, *rest in rows]

    def note(self, key: MailboxKey, where: Where) -> None:
        """Remember where messages are staged from now on. Must come before any message is recorded there."""
        mounts = json.dumps(where.mounts)
        with self._database.writing() as connection:
            mailbox = mailboxes.found(connection, key)
            row = (mailbox, where.sink, where.sink_id, mounts, where.place, where.token)
            connection.execute(_NOTE, row)

    def forget(self, key: MailboxKey, sink: str) -> None:
        """Forget the staging directory of a mailbox in this sink, because it is not there any more."""
        with self._database.writing() as connection:
            connection.execute(_FORGET, (mailboxes.found(connection, key), sink))

    def orphans(self, sink: str) -> Mapping[str, datetime]:
        """The names that were left behind in this sink at the last look, and when each was first seen."""
        with self._database.reading() as connection:
            rows = connection.execute(_ORPHANS, (sink,)).fetchall()
            return {text(name): from_micros(since) for name, since in rows}

    def note_orphans(self, sink: str, new: Collection[str], over: Iterable[str], now: datetime) -> None:
        """Remember `new` names that were left behind, and forget those in `over`, which no longer are."""
        with self._database.writing() as connection:
            connection.executemany(_NOTE_ORPHAN, [(sink, name, to_micros(now)) for name in new])
            connection.executemany(_FORGET_ORPHAN, [(sink, name) for name in over])

    def tidied(self) -> datetime | None:
        """When `session.tidying` last ran, by the ledger's clock; None for never."""
        with self._database.reading() as connection:
            (tidied,) = connection.execute(_TIDIED).fetchone()
            return None if tidied is None else from_micros(tidied)

    def note_tidied(self, now: datetime) -> None:
        """Remember that `session.tidying` runs now."""
        with self._database.writing() as connection:
            connection.execute(_NOTE_TIDIED, (to_micros(now),))


def _where(sink: object, sink_id: object, mounts: object, place: object, token: object) -> Where:
    return Where(text(sink), text(sink_id), _points(mounts), text(place), text(token))


def _points(mounts: object) -> tuple[str, ...]:
    try:
        return tuple(text(point) for point in json.loads(text(mounts)))
    except (ValueError, TypeError) as exc:
        raise DamagedRow from exc
