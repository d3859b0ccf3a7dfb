"""The ledger: the durable record of what was staged, stored, and is gone from the server.

Owns the life of a message's row: staged → stored → gone → pruned, and the one place where a `DeletePermit`
is made: for a row committed as stored. Must never touch the messages themselves.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from mailsluice.clock import BootClock, SystemClock
from mailsluice.errors import Bug
from mailsluice.failure import Failure
from mailsluice.ledger import failures, mailboxes, memory, messages, reports
from mailsluice.ledger.clock import LedgerClock, Moment
from mailsluice.ledger.database import Database
from mailsluice.ledger.kin import Kin
from mailsluice.ledger.lock import hold
from mailsluice.ledger.lost import Lost
from mailsluice.ledger.reports import MailboxReport, News
from mailsluice.ledger.rows import text
from mailsluice.ledger.stagings import Stagings
from mailsluice.ledger.times import from_micros, to_micros
from mailsluice.message.recognition import Evidence
from mailsluice.model import (
    DeletePermit,
    Known,
    Listed,
    MailboxKey,
    Memory,
    Quiet,
    SessionReport,
    Staged,
    Stored,
    uidl_text,
)

_LEDGER = "SELECT instance, time, wall, boot, uptime FROM ledger"


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
                instance, *noted = connection.execute(_LEDGER).fetchone()
                self._instance = text(instance)
                last = _moment(*noted)
        except BaseException:
            self._database.close()
            raise
        self.stagings = Stagings(self._database)
        self.kin = Kin(self._database)
        self.lost = Lost(self._database)
        self._clock = LedgerClock(clock or SystemClock(), last)
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

    @property
    def id(self) -> str:
        """What tells this ledger from every other, wherever it is kept."""
        return self._instance

    def staging_owner(self, key: MailboxKey) -> str:
        """A file name for this mailbox's staging directory that no other mailbox or ledger has.

        Its first half is the mailbox's with any ledger, its second half the ledger's with any mailbox.
        """
        return f"{_digest(key.host, key.address)[:16]}-{_digest(self._instance)[:16]}"

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

    def quiet(self, key: MailboxKey, digest: bytes, now: datetime) -> Mapping[str, int] | None:
        """What is held of a listing of this digest that was confirmed as quiet, if that still holds."""
        with self._database.reading() as connection:
            return mailboxes.quiet(connection, key, digest, now)

    def record(self, key: MailboxKey, staged: Sequence[Staged], sink: str, now: datetime) -> None:
        """Write the rows as `staged`, in one commit (row 3). `sink` is the sink's spec, for recovery.

        A row whose message is gone, or was too large, gives way. Raises Bug, and writes none, if one is
        staged or stored already: whoever fetched it did not ask first.
        """
        if not staged:
            return
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            if messages.record(connection, mailbox, staged, sink, now) != len(staged):
                names = {new.uidl: new.name for new in staged}
                there = ", ".join(map(uidl_text, memory.not_named(connection, key, names)))
                raise Bug(f"{there} of {key.address} was fetched, but it is in the ledger")

    def commit(
        self, key: MailboxKey, stored: Sequence[Stored], now: datetime, *, leaving: bool = False
    ) -> tuple[DeletePermit, ...]:
        """Turn the rows into `stored`, in one commit (row 5); permits for those that are stored then.

        `leaving`: the server is about to be asked to delete them.
        """
        if not stored:
            return ()
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            committed = messages.commit(connection, mailbox, stored, now, leaving=leaving)
            if leaving:
                mailboxes.note_marking(connection, mailbox)
            reports.add_stored(connection, mailbox, committed)
            failures.forget(connection, mailbox, [new.uidl for new in stored])
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
        reused: Collection[bytes],
        now: datetime,
        *,
        quiet: Quiet | None = None,
        is_whole: bool = True,
        has_all: bool = True,
        doubtful: Collection[bytes] = (),
        policy: str | None = None,
    ) -> None:
        """Note a listing: stored rows absent from it are `gone`, gone rows in it are `stored` again (row 7).

        `recalled` is what was read for this listing, under the mailbox's lock; the rest is as in the port.
        Rows marked as seen are only noted to be absent. Rows gone for longer than GRACE are pruned; oversize
        rows and failures absent, at once. Where nothing changed, nothing is written.
        """
        matters = recalled.known.keys() | recalled.failures.keys()
        there = {uidl for uidl in listed if uidl in matters}
        changes = messages.changes(recalled, there, reused, is_whole=is_whole, has_all=has_all)
        changes = changes._replace(unsure=[*changes.unsure, *messages.undoubted(recalled, doubtful)])
        with self._database.reading() as connection:
            changed = bool(changes) or messages.has_long_gone(connection, key, now)
        if not changed and quiet is None and policy == recalled.policy:
            return
        with self._database.writing() as connection:
            mailbox = (mailboxes.touched if changed else mailboxes.found)(connection, key)
            messages.apply(connection, mailbox, changes, now)
            failures.forget(connection, mailbox, changes.settled)
            if recalled.left and not changes.still_there:
                mailboxes.note_all_gone(connection, mailbox)
            if policy is not None:
                mailboxes.note_policy(connection, mailbox, policy)
            if quiet is not None:
                mailboxes.note_quiet(connection, mailbox, quiet, recalled.writes + changed)

    def take_back(self, key: MailboxKey, staged: Sequence[Staged]) -> None:
        """Forget these rows, as far as they are still `staged`: their messages were never published."""
        if staged:
            with self._database.writing() as connection:
                messages.take_back(connection, mailboxes.touched(connection, key), staged)

    def evidence(self, key: MailboxKey, uidls: Collection[bytes]) -> Mapping[bytes, Evidence]:
        """The identities of these messages, as far as they have one; see `memory.evidence`."""
        with self._database.reading() as connection:
            return memory.evidence(connection, key, tuple(uidls))

    def recognised(self, key: MailboxKey, listed: Collection[Listed]) -> None:
        """Note that these are the messages that the rows of their UIDLs are of: none is in doubt any more."""
        if listed:
            with self._database.writing() as connection:
                messages.recognised(connection, mailboxes.touched(connection, key), listed)

    def identify(self, key: MailboxKey, identities: Mapping[bytes, bytes]) -> None:
        """Note what these messages are known again by, by UIDL; empty where their headers tell nothing."""
        if identities:
            with self._database.writing() as connection:
                messages.identify(connection, mailboxes.touched(connection, key), identities)

    def replaced(self, key: MailboxKey, uidls: Collection[bytes], now: datetime) -> None:
        """Note that these UIDLs have other messages now: those that were stored under them are gone."""
        if uidls:
            with self._database.writing() as connection:
                messages.gone(connection, mailboxes.touched(connection, key), uidls, now)

    def doubt(self, key: MailboxKey) -> None:
        """Put every row of the mailbox in doubt whose message is listed."""
        with self._database.writing() as connection:
            messages.doubt(connection, mailboxes.touched(connection, key))

    def stays(self, key: MailboxKey, uidls: Collection[bytes]) -> None:
        """Note that these stored messages stay on the server for ever."""
        if uidls:
            with self._database.writing() as connection:
                messages.stays(connection, mailboxes.touched(connection, key), uidls)

    def commits(self, key: MailboxKey) -> int:
        """How often this mailbox's messages were written: an older copy of the ledger says less."""
        with self._database.reading() as connection:
            return mailboxes.writes(connection, key)

    def catch_up(self, key: MailboxKey, commits: int) -> None:
        """Go on counting from `commits`, and put every row in doubt: the ledger forgot what came since."""
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            messages.doubt(connection, mailbox)
            mailboxes.count_from(connection, mailbox, commits)

    def identities(self, key: MailboxKey) -> Mapping[bytes, bytes]:
        """What the headers of stored messages are known again by, by UIDL, as far as they say enough."""
        with self._database.reading() as connection:
            return memory.identities(connection, key)

    def settle(
        self,
        key: MailboxKey,
        renamed: Mapping[bytes, Listed],
        gone: Collection[bytes],
        gone_since: datetime,
        *,
        decided: Collection[bytes] = (),
    ) -> None:
        """Put new UIDLs in the place of old ones, and note those that are gone for good; in one commit.

        A new UIDL may be the old one of another message: of one that is gone, it is forgotten then. Of the
        messages `decided` none is held any longer.
        """
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            messages.gone(connection, mailbox, gone, gone_since)
            messages.leave(connection, mailbox, gone)
            messages.rename(connection, mailbox, renamed)
            failures.forget(connection, mailbox, decided)

    def mark_seen(self, key: MailboxKey, listed: Collection[Listed], now: datetime) -> int:
        """Remember that these are never to be fetched nor deleted; how many that were.

        What is stored or half done stays so.
        """
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            marked = messages.mark_seen(connection, mailbox, listed, now)
            failures.forget(connection, mailbox, [each.uidl for each in listed])
        return marked

    def note_oversize(self, key: MailboxKey, octets: Mapping[Listed, int], now: datetime) -> None:
        """Remember that these, of so many octets, were larger than `max_message`, so as to report it once.

        They replace what is remembered of earlier messages of their UIDLs, except half-done ones.
        """
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            messages.note_oversize(connection, mailbox, octets, now)

    def failures(self, key: MailboxKey) -> Mapping[bytes, Failure]:
        """Every message that could not be fetched when last tried, by UIDL."""
        with self._database.reading() as connection:
            return failures.read(connection, key)

    def note_failures(self, key: MailboxKey, failed: Mapping[Listed, Failure]) -> Sequence[Listed]:
        """Note that each was tried in vain, and add its failures; those that are held by that."""
        with self._database.writing() as connection:
            return failures.note(connection, mailboxes.touched(connection, key), failed)

    def note_header(self, key: MailboxKey, uidl: bytes, header: bytes) -> None:
        """Keep what the server told of a message in quarantine."""
        with self._database.writing() as connection:
            failures.note_header(connection, mailboxes.touched(connection, key), uidl, header)

    def retry(self, key: MailboxKey, uidls: Collection[bytes]) -> int:
        """Forget that these could not be fetched, so that the next poll tries; how many that were."""
        with self._database.writing() as connection:
            return failures.forget(connection, mailboxes.touched(connection, key), uidls)

    def take(self, key: MailboxKey, uidls: Collection[bytes]) -> int:
        """Note that these are to be stored as they come, so that the next poll does; how many were held."""
        with self._database.writing() as connection:
            return failures.take(connection, mailboxes.touched(connection, key), uidls)

    def note_session(self, key: MailboxKey, report: SessionReport) -> None:
        """Remember how a session went, for `status`; `flush` writes it."""
        with self._pending:
            self._news.setdefault(key, News()).session(report)

    def note_next_poll(self, key: MailboxKey, name: str, due: datetime | None) -> None:
        """Remember when the mailbox called `name` is polled next, None for never; `flush` writes it."""
        with self._pending:
            self._news.setdefault(key, News()).next_poll(name, due)

    def tidied(self) -> datetime | None:
        """When it was last tidied up (`note_tidied`), by the ledger's clock; None for never."""
        with self._database.reading() as connection:
            (tidied,) = connection.execute("SELECT tidied FROM ledger").fetchone()
            return None if tidied is None else from_micros(tidied)

    def note_tidied(self, now: datetime) -> None:
        """Remember that it is tidied up now."""
        with self._database.writing() as connection:
            connection.execute("UPDATE ledger SET tidied = ?", (to_micros(now),))

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

    def acknowledge(self, key: MailboxKey) -> None:
        """Note that an administrator knows of all that is held of this mailbox."""
        with self._database.writing() as connection:
            reports.acknowledge(connection, mailboxes.found(connection, key))

    def reports(self) -> Mapping[MailboxKey, MailboxReport]:
        """What `status` shows of every mailbox ever polled or due, as far as it is written."""
        with self._database.reading() as connection:
            return reports.read(connection)


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
