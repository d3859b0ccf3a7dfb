"""The ledger: the durable record of what was staged, stored, and is gone from the server.

Owns the life of a message's row: staged → stored → gone → pruned, and the one place where a `DeletePermit`
is made: for a row committed as stored. Must never touch the messages themselves.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from mailsluice.clock import BootClock, SystemClock
from mailsluice.errors import Bug
from mailsluice.ledger import mailboxes, memory, reports, setbacks
from mailsluice.ledger.database import Database
from mailsluice.ledger.lock import hold
from mailsluice.ledger.reports import MailboxReport, News
from mailsluice.ledger.steady import Moment, SteadyClock
from mailsluice.ledger.times import from_micros, to_micros
from mailsluice.model import (
    DeletePermit,
    Known,
    Listed,
    MailboxKey,
    Memory,
    Quiet,
    SessionReport,
    Setback,
    Staged,
    State,
    Stored,
    uidl_text,
)

GRACE = timedelta(days=30)
"""How long a row outlives its message: a listing may lack a message for a while and show it again."""

_LEDGER = "SELECT instance, time, wall, boot, uptime FROM ledger"
_IDENTITIES = """
    SELECT uidl, identity FROM message
    WHERE mailbox = (SELECT id FROM mailbox WHERE host = ? AND address = ?) AND typeof(identity) = 'blob'
"""
_RECORD = """
    INSERT INTO message (mailbox, uidl, state, since, listed_size, size, sink, name, identity)
    VALUES (?, ?, 'staged', ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
        state = 'staged', since = excluded.since, gone_since = NULL, listed_size = excluded.listed_size,
        size = excluded.size, sink = excluded.sink, name = excluded.name, identity = excluded.identity
    WHERE state = 'oversize' OR gone_since IS NOT NULL
"""
_COMMIT = """
    UPDATE message SET state = 'stored', since = ?
    WHERE mailbox = ? AND uidl = ? AND name = ? AND state = 'staged'
"""
_GONE = """
    UPDATE message SET state = iif(state = 'seen', 'seen', 'gone'), gone_since = ?
    WHERE mailbox = ? AND uidl = ? AND state IN ('stored', 'gone', 'seen')
"""
_BACK = """
    UPDATE message SET state = iif(state = 'seen', 'seen', 'stored'), gone_since = NULL
    WHERE mailbox = ? AND uidl = ?
"""
_RENAME = """
    UPDATE message
    SET uidl = ?, listed_size = ?, state = iif(state = 'seen', 'seen', 'stored'), gone_since = NULL
    WHERE mailbox = ? AND uidl = ? AND state IN ('stored', 'gone', 'seen')
"""
_PARK = "UPDATE message SET uidl = ? WHERE mailbox = ? AND uidl = ?"
_PARKED = bytes(2048)
"""Before a UIDL, makes one that no server has: the listing's parser takes none so long."""
_SEEN = """
    INSERT INTO message (mailbox, uidl, state, since, listed_size) VALUES (?, ?, 'seen', ?, ?)
    ON CONFLICT DO UPDATE SET
        state = 'seen', since = excluded.since, gone_since = NULL, listed_size = excluded.listed_size
    WHERE state = 'oversize' OR gone_since IS NOT NULL
"""
_PRUNE = "DELETE FROM message WHERE mailbox = ? AND uidl = ?"
_PRUNE_LONG_GONE = "DELETE FROM message WHERE mailbox = ? AND gone_since < ?"
_HAS_LONG_GONE = """
    SELECT 1 FROM message
    WHERE mailbox = (SELECT id FROM mailbox WHERE host = ? AND address = ?) AND gone_since < ?
"""
_PRUNE_OVERSIZE = "DELETE FROM message WHERE mailbox = ? AND uidl = ? AND state = 'oversize'"
_OVERSIZE = """
    INSERT INTO message (mailbox, uidl, state, since, listed_size, size) VALUES (?, ?, 'oversize', ?, ?, ?)
    ON CONFLICT DO UPDATE SET
        since = iif(state = 'oversize', since, excluded.since),
        state = 'oversize', gone_since = NULL, listed_size = excluded.listed_size, size = excluded.size
    WHERE state != 'staged'
"""


class Ledger:
    """Keeps the promises of `session.ports.Ledger`; any number of threads may use it at once.

    A context manager; leaving it closes the file: what was noted and not flushed is lost then. With
    `read_only` nothing is made or changed, as `status` wants it while a daemon runs. Raises LedgerError, in
    the constructor as in every method.
    """

    def __init__(self, state_dir: Path, *, read_only: bool = False, clock: BootClock | None = None) -> None:
        self._locks = state_dir / "locks"
        self._database = Database(state_dir, read_only=read_only)
        try:
            with self._database.reading() as connection:
                self._instance, *noted = connection.execute(_LEDGER).fetchone()
                last = _moment(*noted)
        except BaseException:
            self._database.close()
            raise
        self._clock = SteadyClock(clock or SystemClock(), last)
        self._pending = threading.Lock()
        self._news: dict[MailboxKey, News] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @property
    def is_new(self) -> bool:
        """Whether this opening has made the ledger."""
        return self._database.is_new

    def check_files(self) -> None:
        """Raise LedgerReplaced if the files are no longer those that were opened."""
        self._database.check_files()

    def now(self) -> datetime:
        """The time by the ledger's own clock: what ages are measured by (`steady`)."""
        return self._clock.moment().time

    def lock(self, key: MailboxKey) -> AbstractContextManager[None]:
        """Hold this mailbox against every other process and thread. Raises MailboxLocked at once."""
        return hold(self._locks / f"{_digest(key.host, key.address)}.lock", key.address)

    def staging_owner(self, key: MailboxKey) -> str:
        """A file name for this mailbox's staging directory that no other mailbox or ledger has."""
        return _digest(self._instance, key.host, key.address)

    def half_done(self, key: MailboxKey) -> Mapping[str, tuple[Staged, ...]]:
        """The rows still `staged`, by sink spec, in the order of their names (crash table, rows 3 and 4)."""
        with self._database.reading() as connection:
            return memory.half_done(connection, key)

    def known(self, key: MailboxKey) -> Mapping[bytes, Known]:
        """Every message remembered of this mailbox, by UIDL."""
        with self._database.reading() as connection:
            return memory.known(connection, key)

    def recall(self, key: MailboxKey, listed: Iterable[bytes]) -> Memory:
        """What matters beside a listing of these UIDLs; see `memory.recall`."""
        with self._database.reading() as connection:
            return memory.recall(connection, key, listed)

    def missed(
        self,
        key: MailboxKey,
        recalled: Container[bytes],
        *,
        gone_after: datetime,
        stored_after: datetime,
        most: int,
    ) -> int:
        """How many messages that were not recalled went lately, not beyond `most`; see `memory.missed`."""
        with self._database.reading() as connection:
            return memory.missed(
                connection, key, recalled, gone_after=gone_after, stored_after=stored_after, most=most
            )

    def is_quiet(self, key: MailboxKey, digest: bytes, now: datetime) -> bool:
        """Whether a listing of this digest was confirmed as quiet, and that still holds."""
        with self._database.reading() as connection:
            return mailboxes.is_quiet(connection, key, digest, now)

    def record(self, key: MailboxKey, staged: Sequence[Staged], sink: str, now: datetime) -> None:
        """Write the rows as `staged`, in one commit (row 3). `sink` is the sink's spec, for recovery.

        A row whose message is gone, or was too large, gives way. Raises Bug, and writes none, if one is
        staged or stored already: whoever fetched it did not ask first.
        """
        if not staged:
            return
        with self._database.writing() as connection:
            mailbox, since = mailboxes.touched(connection, key), to_micros(now)
            rows = [
                (mailbox, new.uidl, since, new.listed_size, new.size, sink, new.name, new.identity)
                for new in staged
            ]
            if connection.executemany(_RECORD, rows).rowcount != len(rows):
                names = {new.uidl: new.name for new in staged}
                there = ", ".join(map(uidl_text, memory.not_named(connection, key, names)))
                raise Bug(f"{there} of {key.address} was fetched, but it is in the ledger")

    def commit(self, key: MailboxKey, stored: Sequence[Stored], now: datetime) -> tuple[DeletePermit, ...]:
        """Turn the rows into `stored`, in one commit (row 5); permits for those that are stored then."""
        if not stored:
            return ()
        with self._database.writing() as connection:
            mailbox, since = mailboxes.touched(connection, key), to_micros(now)
            rows = [(since, mailbox, new.uidl, new.name) for new in stored]
            committed = connection.executemany(_COMMIT, rows).rowcount
            reports.add_stored(connection, mailbox, committed)
            setbacks.forget(connection, mailbox, [new.uidl for new in stored])
        uidls = [new.uidl for new in stored]
        return _permits(uidls) if committed == len(stored) else self.permits(key, uidls)

    def permits(self, key: MailboxKey, uidls: Collection[bytes]) -> tuple[DeletePermit, ...]:
        """Permits for those of `uidls` that are committed as stored, in their order."""
        with self._database.reading() as connection:
            stored = memory.stored(connection, key, tuple(uidls))
        return _permits(uidl for uidl in uidls if uidl in stored)

    def confirm(
        self,
        key: MailboxKey,
        recalled: Memory,
        listed: Iterable[bytes],
        strangers: Collection[bytes],
        now: datetime,
        *,
        quiet: Quiet | None = None,
    ) -> None:
        """Note a listing: stored rows absent from it are `gone`, gone rows in it are `stored` again (row 7).

        `recalled` is what was read for this listing, under the mailbox's lock. `strangers` are UIDLs listed
        that other messages than the ledger's have: those rows are absent. Rows marked as seen stay what they
        are, and are only noted to be absent. Rows gone for longer than GRACE are pruned; oversize rows and
        setbacks absent from the listing, at once. In the same commit the listing is remembered as `quiet`, if
        it is. Where nothing changed, nothing is written.
        """
        known, failed = recalled.known, recalled.setbacks
        # A listing may be of 100,000 messages: only what is known of it is kept.
        there = {uidl for uidl in listed if uidl in known or uidl in failed}
        limit = to_micros(now - GRACE)
        gone, back, pruned = [], [], []
        for uidl, row in known.items():
            if uidl in there and uidl not in strangers:
                if row.gone_since is not None:
                    back.append(uidl)
            elif row.gone_since is None and row.state in {State.STORED, State.SEEN}:
                gone.append(uidl)
            elif row.state is State.OVERSIZE:
                pruned.append(uidl)
        settled = failed.keys() - there
        changed = bool(gone or back or pruned or settled) or self._has_long_gone(key, limit)
        if not changed and quiet is None:
            return
        with self._database.writing() as connection:
            mailbox = (mailboxes.touched if changed else mailboxes.found)(connection, key)
            connection.executemany(_GONE, [(to_micros(now), mailbox, uidl) for uidl in gone])
            connection.executemany(_BACK, [(mailbox, uidl) for uidl in back])
            connection.executemany(_PRUNE, [(mailbox, uidl) for uidl in pruned])
            connection.execute(_PRUNE_LONG_GONE, (mailbox, limit))
            setbacks.forget(connection, mailbox, settled)
            if quiet is not None:
                mailboxes.note_quiet(connection, mailbox, quiet, recalled.writes + changed)

    def identities(self, key: MailboxKey) -> Mapping[bytes, bytes]:
        """What the headers of stored messages are known again by, by UIDL, as far as they say enough."""
        with self._database.reading() as connection:
            return dict(connection.execute(_IDENTITIES, (key.host, key.address)).fetchall())

    def settle(
        self,
        key: MailboxKey,
        renamed: Mapping[bytes, Listed],
        gone: Collection[bytes],
        gone_since: datetime,
    ) -> None:
        """Put new UIDLs in the place of old ones, and note those that are gone, since when; in one commit.

        A new UIDL may be the old one of another message: of one that is gone, it is forgotten then.
        """
        taken = {new.uidl for new in renamed.values()}
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            left = [uidl for uidl in gone if uidl not in taken]
            connection.executemany(_GONE, [(to_micros(gone_since), mailbox, uidl) for uidl in left])
            connection.executemany(_PRUNE, [(mailbox, uidl) for uidl in taken.intersection(gone)])
            connection.executemany(_PRUNE_OVERSIZE, [(mailbox, uidl) for uidl in taken])
            connection.executemany(_PARK, [(_PARKED + old, mailbox, old) for old in renamed])
            rows = [(new.uidl, new.size, mailbox, _PARKED + old) for old, new in renamed.items()]
            connection.executemany(_RENAME, rows)

    def mark_seen(self, key: MailboxKey, messages: Collection[Listed], now: datetime) -> int:
        """Remember that these are never to be fetched nor deleted; how many that were.

        What is stored or half done stays so.
        """
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            rows = [(mailbox, each.uidl, to_micros(now), each.size) for each in messages]
            marked = connection.executemany(_SEEN, rows).rowcount
            setbacks.forget(connection, mailbox, [each.uidl for each in messages])
        return marked

    def note_oversize(self, key: MailboxKey, octets: Mapping[Listed, int], now: datetime) -> None:
        """Remember that these, of so many octets, were larger than `max_message`, so as to report it once.

        They replace what is remembered of earlier messages of their UIDLs, except half-done ones.
        """
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            rows = [(mailbox, each.uidl, to_micros(now), each.size, size) for each, size in octets.items()]
            connection.executemany(_OVERSIZE, rows)

    def setbacks(self, key: MailboxKey) -> Mapping[bytes, Setback]:
        """Every message that could not be fetched when last tried, by UIDL."""
        with self._database.reading() as connection:
            return setbacks.read(connection, key)

    def note_setbacks(
        self, key: MailboxKey, errors: Mapping[Listed, str], failures: int, now: datetime
    ) -> Sequence[Listed]:
        """Note that each was tried in vain, and count so many failures; those in quarantine by that."""
        with self._database.writing() as connection:
            return setbacks.note(connection, mailboxes.touched(connection, key), errors, failures, now)

    def note_header(self, key: MailboxKey, uidl: bytes, header: bytes) -> None:
        """Keep what the server told of a message in quarantine."""
        with self._database.writing() as connection:
            setbacks.note_header(connection, mailboxes.touched(connection, key), uidl, header)

    def retry(self, key: MailboxKey, uidls: Collection[bytes]) -> int:
        """Forget that these could not be fetched, so that the next poll tries; how many that were."""
        with self._database.writing() as connection:
            return setbacks.forget(connection, mailboxes.touched(connection, key), uidls)

    def note_session(self, key: MailboxKey, report: SessionReport) -> None:
        """Remember how a session went, for `status`; `flush` writes it."""
        with self._pending:
            self._news.setdefault(key, News()).session(report)

    def note_next_poll(self, key: MailboxKey, name: str, due: datetime | None) -> None:
        """Remember when the mailbox called `name` is polled next, None for never; `flush` writes it."""
        with self._pending:
            self._news.setdefault(key, News()).next_poll(name, due)

    def flush(self) -> None:
        """Write what was noted since the last time, and the ledger's clock, in one commit.

        What cannot be written is kept for the next time. Where nothing was noted, nothing is written.
        """
        with self._pending:
            if not self._news:
                return
            with self._database.writing() as connection:
                for key, news in self._news.items():
                    reports.write(connection, mailboxes.found(connection, key), news)
                _note_moment(connection, self._clock.moment())
            self._news.clear()

    def reports(self) -> Mapping[MailboxKey, MailboxReport]:
        """What `status` shows of every mailbox ever polled or due, as far as it is written."""
        with self._database.reading() as connection:
            return reports.read(connection)

    def _has_long_gone(self, key: MailboxKey, limit: int) -> bool:
        with self._database.reading() as connection:
            return connection.execute(_HAS_LONG_GONE, (key.host, key.address, limit)).fetchone() is not None


def _permits(stored: Iterable[bytes]) -> tuple[DeletePermit, ...]:
    return tuple(map(DeletePermit, stored))


def _moment(time: int | None, wall: int, boot: str, uptime: int) -> Moment | None:
    return None if time is None else Moment(from_micros(time), from_micros(wall), boot, uptime / 1e6)


def _note_moment(connection: sqlite3.Connection, moment: Moment) -> None:
    connection.execute(
        "UPDATE ledger SET time = ?, wall = ?, boot = ?, uptime = ?",
        (to_micros(moment.time), to_micros(moment.wall), moment.boot, round(moment.uptime * 1e6)),
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
