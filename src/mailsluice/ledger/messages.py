"""The messages of the ledger: what is known of each, and the one place where a `DeletePermit` is made.

Owns which changes share a commit, and that a permit is made for a row committed as stored alone. Must never
touch the messages themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from mailsluice.errors import Bug
from mailsluice.ledger import failures, mailboxes, memory, message_rows, reports
from mailsluice.ledger.database import Database
from mailsluice.message.recognition import Evidence
from mailsluice.model import (
    Confirmation,
    DeletePermit,
    Known,
    Listed,
    MailboxKey,
    Memory,
    Staged,
    Stored,
    uidl_text,
)


class Messages:
    """Keeps the promises of `session.ports.Messages`. Every method raises LedgerError."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
            if message_rows.record(connection, mailbox, staged, sink, now) != len(staged):
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
            committed = message_rows.commit(connection, mailbox, stored, now, leaving=leaving)
            if leaving:
                mailboxes.note_marking(connection, mailbox)
            reports.add_stored(connection, mailbox, committed)
            failures.forget(connection, mailbox, [new.uidl for new in stored])
        uidls = [new.uidl for new in stored]
        return _permits(uidls) if committed == len(stored) else self.permits(key, uidls)

    def take_back(self, key: MailboxKey, staged: Sequence[Staged]) -> None:
        """Forget these rows, as far as they are still `staged`: their messages were never published."""
        if staged:
            with self._database.writing() as connection:
                message_rows.take_back(connection, mailboxes.touched(connection, key), staged)

    def permits(self, key: MailboxKey, uidls: Collection[bytes]) -> tuple[DeletePermit, ...]:
        """Permits for those of `uidls` that are committed as stored, in their order."""
        with self._database.reading() as connection:
            stored = memory.stored(connection, key, tuple(uidls))
        return _permits(uidl for uidl in uidls if uidl in stored)

    def evidence(self, key: MailboxKey, uidls: Collection[bytes]) -> Mapping[bytes, Evidence]:
        """The identities of these messages, as far as they have one; see `memory.evidence`."""
        with self._database.reading() as connection:
            return memory.evidence(connection, key, tuple(uidls))

    def recognised(self, key: MailboxKey, listed: Collection[Listed]) -> None:
        """Note that these are the messages that the rows of their UIDLs are of: none is in doubt any more."""
        if listed:
            with self._database.writing() as connection:
                message_rows.recognised(connection, mailboxes.touched(connection, key), listed)

    def identify(self, key: MailboxKey, identities: Mapping[bytes, bytes]) -> None:
        """Note what these messages are known again by, by UIDL; empty where their headers tell nothing."""
        if identities:
            with self._database.writing() as connection:
                message_rows.identify(connection, mailboxes.touched(connection, key), identities)

    def identities(self, key: MailboxKey) -> Mapping[bytes, bytes]:
        """What the headers of stored messages are known again by, by UIDL, as far as they say enough."""
        with self._database.reading() as connection:
            return memory.identities(connection, key)

    def replaced(self, key: MailboxKey, uidls: Collection[bytes], now: datetime) -> None:
        """Note that these UIDLs have other messages now: those that were stored under them are gone."""
        if uidls:
            with self._database.writing() as connection:
                message_rows.gone(connection, mailboxes.touched(connection, key), uidls, now)

    def doubt(self, key: MailboxKey) -> None:
        """Put every row of the mailbox in doubt whose message is listed."""
        with self._database.writing() as connection:
            message_rows.doubt(connection, mailboxes.touched(connection, key))

    def stays(self, key: MailboxKey, uidls: Collection[bytes]) -> None:
        """Note that these stored messages stay on the server for ever."""
        if uidls:
            with self._database.writing() as connection:
                message_rows.stays(connection, mailboxes.touched(connection, key), uidls)

    def commits(self, key: MailboxKey) -> int:
        """How often this mailbox's messages were written: an older copy of the ledger says less."""
        with self._database.reading() as connection:
            return mailboxes.writes(connection, key)

    def catch_up(self, key: MailboxKey, commits: int) -> None:
        """Go on counting from `commits`, and put every row in doubt: the ledger forgot what came since."""
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            message_rows.doubt(connection, mailbox)
            mailboxes.count_from(connection, mailbox, commits)

    def confirm(self, key: MailboxKey, recalled: Memory, listing: Confirmation, now: datetime) -> None:
        """Note a listing: stored rows absent from it are `gone`, gone rows in it are `stored` again (row 7).

        `recalled` is what was read for this listing, under the mailbox's lease; the rest is as in the port.
        Rows marked as seen are only noted to be absent. Rows gone for longer than GRACE are pruned; oversize
        rows and failures absent, at once. Where nothing changed, nothing is written.
        """
        changes = message_rows.changes(recalled, listing)
        with self._database.reading() as connection:
            changed = bool(changes) or message_rows.has_long_gone(connection, key, now)
        if not changed and listing.quiet is None and listing.policy == recalled.policy:
            return
        with self._database.writing() as connection:
            mailbox = (mailboxes.touched if changed else mailboxes.found)(connection, key)
            message_rows.apply(connection, mailbox, changes, now)
            failures.forget(connection, mailbox, changes.settled)
            if recalled.left and not changes.still_there:
                mailboxes.note_all_gone(connection, mailbox)
            if listing.policy is not None:
                mailboxes.note_policy(connection, mailbox, listing.policy)
            if listing.quiet is not None:
                mailboxes.note_quiet(connection, mailbox, listing.quiet, recalled.writes + changed)

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
            message_rows.gone(connection, mailbox, gone, gone_since)
            message_rows.leave(connection, mailbox, gone)
            message_rows.rename(connection, mailbox, renamed)
            failures.forget(connection, mailbox, decided)

    def mark_seen(self, key: MailboxKey, listed: Collection[Listed], now: datetime) -> int:
        """Remember that these are never to be fetched nor deleted; how many that were.

        What is stored or half done stays so.
        """
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            marked = message_rows.mark_seen(connection, mailbox, listed, now)
            failures.forget(connection, mailbox, [each.uidl for each in listed])
        return marked

    def note_oversize(self, key: MailboxKey, octets: Mapping[Listed, int], now: datetime) -> None:
        """Remember that these, of so many octets, were larger than `max_message`, so as to report it once.

        They replace what is remembered of earlier messages of their UIDLs, except half-done ones.
        """
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            message_rows.note_oversize(connection, mailbox, octets, now)


def _permits(stored: Iterable[bytes]) -> tuple[DeletePermit, ...]:
    return tuple(map(DeletePermit, stored))
