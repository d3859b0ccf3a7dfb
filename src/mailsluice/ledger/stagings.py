"""Where messages are staged, or once were: what the ledger knows of the sinks that it feeds.

Owns the tables of staging directories and of descriptions left behind, and when these were last tidied up.
Must never look at a sink itself.
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

        Without a place where only another mailbox's were: it is the same sink. Without an id where it was
        never used: then with all mounts that any sink lay on. None where there never was a sink.
        """
        with self._database.reading() as connection:
            if own := connection.execute(_OF_MAILBOX, (key.host, key.address, sink)).fetchone():
                return _where(*own[2:])
            other = connection.execute(_OF_ANY, (sink,)).fetchone()
            if other is not None:
                return replace(_where(*other[2:]), place="", token="")
            found = [_points(mounts) for (mounts,) in connection.execute(_MOUNTS).fetchall()]
            return (
                Where(sink, "", tuple(sorted({point for points in found for point in points})), "")
                if found
                else None
            )

    def every(self) -> Sequence[tuple[MailboxKey, Where]]:
        """Every staging directory that is known of, with its mailbox."""
        with self._database.reading() as connection:
            rows = connection.execute(_COLUMNS).fetchall()
            return [(MailboxKey(text(host), text(address)), _where(*rest)) for host, address, *rest in rows]

    def note(self, key: MailboxKey, where: Where) -> None:
        """Remember where messages are staged from now on; before any is recorded there."""
        mounts = json.dumps(where.mounts)
        with self._database.writing() as connection:
            mailbox = mailboxes.found(connection, key)
            row = (mailbox, where.sink, where.sink_id, mounts, where.place, where.token)
            connection.execute(_NOTE, row)

    def forget(self, key: MailboxKey, sink: str) -> None:
        """Forget the staging directory of a mailbox in this sink: it is not there any more."""
        with self._database.writing() as connection:
            connection.execute(_FORGET, (mailboxes.found(connection, key), sink))

    def orphans(self, sink: str) -> Mapping[str, datetime]:
        """The descriptions in this sink that were seen without their messages, and since when."""
        with self._database.reading() as connection:
            rows = connection.execute(_ORPHANS, (sink,)).fetchall()
            return {text(name): from_micros(since) for name, since in rows}

    def note_orphans(self, sink: str, new: Collection[str], over: Iterable[str], now: datetime) -> None:
        """Remember new ones, and forget those that are none any more."""
        with self._database.writing() as connection:
            connection.executemany(_NOTE_ORPHAN, [(sink, name, to_micros(now)) for name in new])
            connection.executemany(_FORGET_ORPHAN, [(sink, name) for name in over])

    def tidied(self) -> datetime | None:
        """When what is used no more was last tidied up, by the ledger's clock; None for never."""
        with self._database.reading() as connection:
            (tidied,) = connection.execute(_TIDIED).fetchone()
            return None if tidied is None else from_micros(tidied)

    def note_tidied(self, now: datetime) -> None:
        """Remember that it is tidied up now."""
        with self._database.writing() as connection:
            connection.execute(_NOTE_TIDIED, (to_micros(now),))


def _where(sink: object, sink_id: object, mounts: object, place: object, token: object) -> Where:
    return Where(text(sink), text(sink_id), _points(mounts), text(place), text(token))


def _points(mounts: object) -> tuple[str, ...]:
    try:
        return tuple(text(point) for point in json.loads(text(mounts)))
    except (ValueError, TypeError) as exc:
        raise DamagedRow from exc
