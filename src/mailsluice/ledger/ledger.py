"""The ledger: the durable record of what was staged, stored, and is gone from the server.

Owns the life of a message's row: staged → stored → gone → pruned, and the one place where a `DeletePermit`
is made: for a row committed as stored. Must never touch the messages themselves.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from mailsluice.errors import Bug
from mailsluice.ledger import reports
from mailsluice.ledger.database import Database
from mailsluice.ledger.lock import hold
from mailsluice.ledger.reports import MailboxReport
from mailsluice.ledger.times import from_micros, to_micros
from mailsluice.model import DeletePermit, Known, MailboxKey, SessionReport, Staged, State, Stored, uidl_text

GRACE = timedelta(days=30)
"""How long a row outlives its message: a listing may lack a message for a while and show it again."""

_ADD_MAILBOX = "INSERT INTO mailbox (host, address) VALUES (?, ?) ON CONFLICT DO NOTHING"
_MAILBOX = "SELECT id FROM mailbox WHERE host = ? AND address = ?"
_MESSAGES = """
    SELECT uidl, state, since, gone_since, listed_size FROM message
    WHERE mailbox = (SELECT id FROM mailbox WHERE host = ? AND address = ?)
"""
_HALF_DONE = """
    SELECT sink, uidl, name, size, listed_size FROM message
    WHERE mailbox = (SELECT id FROM mailbox WHERE host = ? AND address = ?) AND state = 'staged'
    ORDER BY name
"""
_IS_STORED = """
    SELECT 1 FROM message
    WHERE mailbox = (SELECT id FROM mailbox WHERE host = ? AND address = ?) AND uidl = ? AND state = 'stored'
"""
_RECORD = """
    INSERT INTO message (mailbox, uidl, state, since, listed_size, size, sink, name)
    VALUES (?, ?, 'staged', ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
        state = 'staged', since = excluded.since, gone_since = NULL, listed_size = excluded.listed_size,
        size = excluded.size, sink = excluded.sink, name = excluded.name
    WHERE state IN ('gone', 'oversize')
"""
_COMMIT = """
    UPDATE message SET state = 'stored', since = ?
    WHERE mailbox = ? AND uidl = ? AND name = ? AND state = 'staged'
"""
_GONE = "UPDATE message SET state = 'gone', gone_since = ? WHERE mailbox = ? AND uidl = ?"
_BACK = "UPDATE message SET state = 'stored', gone_since = NULL WHERE mailbox = ? AND uidl = ?"
_PRUNE = "DELETE FROM message WHERE mailbox = ? AND uidl = ?"
_OVERSIZE = """
    INSERT INTO message (mailbox, uidl, state, since, listed_size) VALUES (?, ?, 'oversize', ?, ?)
    ON CONFLICT DO UPDATE SET
        since = iif(state = 'oversize', since, excluded.since),
        state = 'oversize', gone_since = NULL, listed_size = excluded.listed_size
    WHERE state != 'staged'
"""


class Ledger:
    """Keeps the promises of `session.ports.Ledger`; any number of threads may use it at once.

    A context manager; leaving it closes the file. With `read_only` nothing is made or changed, as
    `status` wants it while a daemon runs. Raises LedgerError, in the constructor as in every method.
    """

    def __init__(self, state_dir: Path, *, read_only: bool = False) -> None:
        self._locks = state_dir / "locks"
        self._database = Database(state_dir, read_only=read_only)
        try:
            with self._database.reading() as connection:
                (self._instance,) = connection.execute("SELECT instance FROM ledger").fetchone()
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def lock(self, key: MailboxKey) -> AbstractContextManager[None]:
        """Hold this mailbox against every other process and thread. Raises MailboxLocked at once."""
        return hold(self._locks / f"{_digest(key.host, key.address)}.lock", key.address)

    def staging_owner(self, key: MailboxKey) -> str:
        """A file name for this mailbox's staging directory that no other mailbox or ledger has."""
        return _digest(self._instance, key.host, key.address)

    def half_done(self, key: MailboxKey) -> Mapping[str, tuple[Staged, ...]]:
        """The rows still `staged`, by sink spec, in the order of their names (crash table, rows 3 and 4)."""
        with self._database.reading() as connection:
            rows = connection.execute(_HALF_DONE, (key.host, key.address)).fetchall()
        found: dict[str, list[Staged]] = {}
        for sink, uidl, name, size, listed_size in rows:
            found.setdefault(sink, []).append(Staged(uidl, name, size, listed_size))
        return {sink: tuple(staged) for sink, staged in found.items()}

    def known(self, key: MailboxKey) -> Mapping[bytes, Known]:
        """Every message remembered of this mailbox, by UIDL."""
        states = {state.value: state for state in State}
        return {
            uidl: Known(states[state], from_micros(since), listed_size)
            for uidl, state, since, _, listed_size in self._messages(key)
        }

    def _messages(self, key: MailboxKey) -> list[tuple[bytes, str, int, int | None, int | None]]:
        with self._database.reading() as connection:
            return connection.execute(_MESSAGES, (key.host, key.address)).fetchall()

    def record(self, key: MailboxKey, staged: Sequence[Staged], sink: str, now: datetime) -> None:
        """Write the rows as `staged`, in one commit (row 3). `sink` is the sink's spec, for recovery.

        A row whose message is gone, or was too large, gives way. Raises Bug, and writes none, if one is
        staged or stored already: whoever fetched it did not ask first.
        """
        if not staged:
            return
        with self._database.writing() as connection:
            mailbox, since = _mailbox(connection, key), to_micros(now)
            for new in staged:
                row = (mailbox, new.uidl, since, new.listed_size, new.size, sink, new.name)
                if connection.execute(_RECORD, row).rowcount != 1:
                    raise Bug(f"{uidl_text(new.uidl)} of {key.address} was fetched, but it is in the ledger")

    def commit(self, key: MailboxKey, stored: Sequence[Stored], now: datetime) -> tuple[DeletePermit, ...]:
        """Turn the rows into `stored`, in one commit (row 5); permits for those that are stored then."""
        if not stored:
            return ()
        with self._database.writing() as connection:
            mailbox, since = _mailbox(connection, key), to_micros(now)
            rows = [(since, mailbox, new.uidl, new.name) for new in stored]
            reports.add_stored(connection, mailbox, connection.executemany(_COMMIT, rows).rowcount)
        return self.permits(key, [new.uidl for new in stored])

    def permits(self, key: MailboxKey, uidls: Collection[bytes]) -> tuple[DeletePermit, ...]:
        """Permits for those of `uidls` that are committed as stored, in their order."""
        with self._database.reading() as connection:
            return tuple(
                DeletePermit(uidl)
                for uidl in uidls
                if connection.execute(_IS_STORED, (key.host, key.address, uidl)).fetchone()
            )

    def confirm(self, key: MailboxKey, listed: Collection[bytes], now: datetime) -> None:
        """Note a listing: stored rows absent from it are `gone`, gone rows in it are `stored` again (row 7).

        Rows gone for longer than GRACE are pruned, and oversize rows absent from it at once. Where
        nothing changed, nothing is written.
        """
        listed = frozenset(listed)
        limit = to_micros(now - GRACE)
        gone, back, pruned = [], [], []
        for uidl, state, _, gone_since, _ in self._messages(key):
            if uidl in listed:
                if state == "gone":
                    back.append(uidl)
            elif state == "stored":
                gone.append(uidl)
            elif state == "oversize" or (gone_since is not None and gone_since < limit):
                pruned.append(uidl)
        if gone or back or pruned:
            with self._database.writing() as connection:
                mailbox = _mailbox(connection, key)
                connection.executemany(_GONE, [(to_micros(now), mailbox, uidl) for uidl in gone])
                connection.executemany(_BACK, [(mailbox, uidl) for uidl in back])
                connection.executemany(_PRUNE, [(mailbox, uidl) for uidl in pruned])

    def note_oversize(self, key: MailboxKey, uidl: bytes, octets: int, now: datetime) -> None:
        """Remember that this message was larger than `max_message`, so that it is reported once.

        It replaces what is remembered of an earlier message of this UIDL, except a half-done one.
        """
        with self._database.writing() as connection:
            connection.execute(_OVERSIZE, (_mailbox(connection, key), uidl, to_micros(now), octets))

    def note_session(self, key: MailboxKey, report: SessionReport) -> None:
        """Remember how a session went, for `status`. Not synced: a power cut may cost the last of them."""
        with self._database.writing(durable=False) as connection:
            reports.note_session(connection, _mailbox(connection, key), report)

    def note_next_poll(self, key: MailboxKey, name: str, due: datetime | None) -> None:
        """Remember when the mailbox called `name` is polled next, None for never. Not synced."""
        with self._database.writing(durable=False) as connection:
            reports.note_next_poll(connection, _mailbox(connection, key), name, due)

    def reports(self) -> Mapping[MailboxKey, MailboxReport]:
        """What `status` shows of every mailbox ever polled or due."""
        with self._database.reading() as connection:
            return reports.read(connection)


def _mailbox(connection: sqlite3.Connection, key: MailboxKey) -> int:
    """The mailbox's row, made if missing."""
    connection.execute(_ADD_MAILBOX, (key.host, key.address))
    return int(connection.execute(_MAILBOX, (key.host, key.address)).fetchone()[0])


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
