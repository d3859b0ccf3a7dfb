"""The messages of the ledger: what is known of each, and the only place that makes a `DeletePermit`.

Owns which changes share a commit, and the rule that only a row that is committed as stored gets a permit.
Must never touch a message itself.
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
        """The rows still `staged`, by sink spec, in the order of their names (rows 3, 4)."""
        with self._database.reading() as connection:
            return memory.half_done(connection, key)

    def known(self, key: MailboxKey) -> Mapping[bytes, Known]:
        """Every message of this mailbox that the ledger remembers, by UIDL."""
        with self._database.reading() as connection:
            return memory.known(connection, key)

    def recall(self, key: MailboxKey, listed: Iterable[bytes]) -> Memory:
        """What is known of these UIDLs, and of all messages that were in the last listing."""
        with self._database.reading() as connection:
            return memory.recall(connection, key, listed)

    def quiet(self, key: MailboxKey, digest: bytes, now: datetime) -> Mapping[str, int] | None:
        """What a listing with this digest holds, if it was confirmed as quiet; None for any other listing."""
        with self._database.reading() as connection:
            return mailboxes.quiet(connection, key, digest, now)

    def record(self, key: MailboxKey, staged: Sequence[Staged], sink: str, now: datetime) -> None:
        """Write the rows as `staged`, in one commit (row 3). `sink` is the sink's spec, for recovery.

        A row whose message is gone, or was too large, is overwritten. Raises Bug, and writes nothing, if one
        of the messages is staged or stored already: then it should not have been fetched.
        """
        if not staged:
            return
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            if message_rows.record(connection, mailbox, staged, sink, now) != len(staged):
                names = {new.uidl: new.name for new in staged}
                there = ", ".join(map(uidl_text, memory.not_named(connection, key, names)))
                raise Bug(f"{there} of {key.address} was fetched, but it is in the ledger")  # undoes all

    def commit(
        self, key: MailboxKey, stored: Sequence[Stored], now: datetime, *, leaving: bool = False
    ) -> tuple[DeletePermit, ...]:
        """Turn the rows into `stored`, in one commit (row 5). Returns permits to delete their messages.

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
        # If a row was not changed, it may be stored since an earlier call, or it may not be stored at all.
        return _permits(uidls) if committed == len(stored) else self.permits(key, uidls)

    def take_back(self, key: MailboxKey, staged: Sequence[Staged]) -> None:
        """Forget those of these rows that are still `staged`: their messages were never published."""
        if staged:
            with self._database.writing() as connection:
                message_rows.take_back(connection, mailboxes.touched(connection, key), staged)

    def permits(self, key: MailboxKey, uidls: Collection[bytes]) -> tuple[DeletePermit, ...]:
        """Permits for those of `uidls` that are committed as stored, and not in doubt, in their order."""
        with self._database.reading() as connection:
            stored = memory.stored(connection, key, tuple(uidls))
        return _permits(uidl for uidl in uidls if uidl in stored)

    def evidence(self, key: MailboxKey, uidls: Collection[bytes]) -> Mapping[bytes, Evidence]:
        """The identities of those of these messages that have one."""
        with self._database.reading() as connection:
            return memory.evidence(connection, key, tuple(uidls))

    def recognised(self, key: MailboxKey, listed: Collection[Listed]) -> None:
        """Note that these messages are the ones of their rows, so that their rows are no longer in doubt."""
        if listed:
            with self._database.writing() as connection:
                message_rows.recognised(connection, mailboxes.touched(connection, key), listed)

    def identify(self, key: MailboxKey, identities: Mapping[bytes, bytes]) -> None:
        """Note the identities of these messages, by UIDL; an empty one if the header gives none."""
        if identities:
            with self._database.writing() as connection:
                message_rows.identify(connection, mailboxes.touched(connection, key), identities)

    def identities(self, key: MailboxKey) -> Mapping[bytes, bytes]:
        """The identities of known messages (`message.identity`), by UIDL."""
        with self._database.reading() as connection:
            return memory.identities(connection, key)

    def replaced(self, key: MailboxKey, uidls: Collection[bytes], now: datetime) -> None:
        """Note that these UIDLs stand for other messages now: those stored under them are gone."""
        if uidls:
            with self._database.writing() as connection:
                message_rows.gone(connection, mailboxes.touched(connection, key), uidls, now)

    def doubt(self, key: MailboxKey) -> None:
        """Put in doubt every row of the mailbox whose message is listed."""
        with self._database.writing() as connection:
            message_rows.doubt(connection, mailboxes.touched(connection, key))

    def stays(self, key: MailboxKey, uidls: Collection[bytes]) -> None:
        """Note that these stored messages stay on the server for ever."""
        if uidls:
            with self._database.writing() as connection:
                message_rows.stays(connection, mailboxes.touched(connection, key), uidls)

    def commits(self, key: MailboxKey) -> int:
        """How often this mailbox's rows were written. An older copy of the ledger has a smaller number."""
        with self._database.reading() as connection:
            return mailboxes.writes(connection, key)

    def catch_up(self, key: MailboxKey, commits: int) -> None:
        """Go on counting from `commits`, and put every row in doubt: the ledger lacks what came since."""
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            message_rows.doubt(connection, mailbox)
            mailboxes.count_from(connection, mailbox, commits)

    def confirm(self, key: MailboxKey, recalled: Memory, listing: Confirmation, now: datetime) -> None:
        """Note a listing: stored rows absent from it are `gone`, gone rows in it are `stored` again (row 7).

        `recalled` was read for this listing, under the mailbox's lease. The rules are in
        `session.ports.Messages.confirm`. Rows that are `seen` keep this state, and are only noted as absent.
        Oversize rows that are absent are pruned at once. If nothing changed, nothing is written.
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
                # `touched` has just counted one write more. Any other was somebody else's.
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
        """Give rows new UIDLs in the place of old ones, and note those that are gone for good, in one commit.

        A new UIDL may be the old UIDL of another message that is gone: this message loses it. None of the
        messages `decided` is held any longer.
        """
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            message_rows.gone(connection, mailbox, gone, gone_since)
            message_rows.leave(connection, mailbox, gone)  # gone for good: `lost` must not look for them
            message_rows.rename(connection, mailbox, renamed)
            failures.forget(connection, mailbox, decided)

    def mark_seen(self, key: MailboxKey, listed: Collection[Listed], now: datetime) -> int:
        """Note that these messages are never fetched nor deleted. Returns how many.

        Messages that are stored or half done stay so, and are not counted.
        """
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            marked = message_rows.mark_seen(connection, mailbox, listed, now)
            failures.forget(connection, mailbox, [message.uidl for message in listed])
        return marked

    def note_oversize(self, key: MailboxKey, octets: Mapping[Listed, int], now: datetime) -> None:
        """Note that these messages of so many octets were larger than `max_message`, to report it once.

        Their rows replace those of earlier messages with the same UIDLs, except half-done ones.
        """
        with self._database.writing() as connection:
            mailbox = mailboxes.touched(connection, key)
            message_rows.note_oversize(connection, mailbox, octets, now)


def _permits(stored: Iterable[bytes]) -> tuple[DeletePermit, ...]:
    return tuple(map(DeletePermit, stored))
