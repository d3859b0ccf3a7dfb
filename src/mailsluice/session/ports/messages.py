"""STATE: what the ledger knows of messages.

Owns the promises of these ports. Must never import the modules that keep them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from mailsluice.failure import Failure
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
)


class Messages(Protocol):
    """STATE: what is known of every message. Every method raises LedgerError.

    The life of a message: staged, stored, gone, and then pruned.
    """

    def half_done(self, key: MailboxKey) -> Mapping[str, tuple[Staged, ...]]:
        """The rows still `staged`, by sink spec: recorded, perhaps published, not committed (rows 3, 4)."""
        ...

    def known(self, key: MailboxKey) -> Mapping[bytes, Known]:
        """Every message of this mailbox that the ledger remembers, by UIDL."""
        ...

    def recall(self, key: MailboxKey, listed: Iterable[bytes]) -> Memory:
        """What is known of these UIDLs, and of all messages that were in the last listing."""
        ...

    def quiet(self, key: MailboxKey, digest: bytes, now: datetime) -> Mapping[str, int] | None:
        """What a listing with this digest holds, if it was confirmed as quiet; None for any other listing.

        This is valid until its time is over, or until any message or failure of the mailbox is written.
        """
        ...

    def record(self, key: MailboxKey, staged: Sequence[Staged], sink: str, now: datetime) -> None:
        """Write the rows as `staged`, in one commit (row 3). `sink` is the sink's spec, for recovery."""
        ...

    def commit(
        self, key: MailboxKey, stored: Sequence[Stored], now: datetime, *, leaving: bool = False
    ) -> tuple[DeletePermit, ...]:
        """Turn the rows into `stored`, in one commit (row 5). Returns permits to delete their messages.

        `leaving`: the server is about to be asked to delete them.
        """
        ...

    def take_back(self, key: MailboxKey, staged: Sequence[Staged]) -> None:
        """Forget those of these rows that are still `staged`: their messages were never published."""
        ...

    def permits(self, key: MailboxKey, uidls: Collection[bytes]) -> tuple[DeletePermit, ...]:
        """Permits for those of `uidls` that are committed as stored, and not in doubt."""
        ...

    def evidence(self, key: MailboxKey, uidls: Collection[bytes]) -> Mapping[bytes, Evidence]:
        """The identities of those of these messages that have one."""
        ...

    def recognised(self, key: MailboxKey, listed: Collection[Listed]) -> None:
        """Note that these messages are the ones of their rows, so that their rows are no longer in doubt."""
        ...

    def identify(self, key: MailboxKey, identities: Mapping[bytes, bytes]) -> None:
        """Note the identities of these messages, by UIDL; an empty one if the header gives none."""
        ...

    def identities(self, key: MailboxKey) -> Mapping[bytes, bytes]:
        """The identities of known messages (`message.identity`), by UIDL."""
        ...

    def replaced(self, key: MailboxKey, uidls: Collection[bytes], now: datetime) -> None:
        """Note that these UIDLs stand for other messages now: those that were stored under them are gone."""
        ...

    def doubt(self, key: MailboxKey) -> None:
        """Put in doubt every row of the mailbox whose message is listed."""
        ...

    def stays(self, key: MailboxKey, uidls: Collection[bytes]) -> None:
        """Note that these stored messages stay on the server for ever."""
        ...

    def commits(self, key: MailboxKey) -> int:
        """How often this mailbox's rows were written. An older copy of the ledger has a smaller number."""
        ...

    def catch_up(self, key: MailboxKey, commits: int) -> None:
        """Go on counting from `commits`, and put every row in doubt: the ledger lacks what came since."""
        ...

    def confirm(self, key: MailboxKey, memory: Memory, listing: Confirmation, now: datetime) -> None:
        """Note a listing: stored rows absent from it are `gone`, gone rows in it are `stored` again (row 7).

        `memory` was recalled for this listing, under the mailbox's lease.

        - A row that is back is in doubt, because another message may have its UIDL. So is a row whose UIDL
          is doubtful. Rows of reused UIDLs count as absent.
        - A listed row whose message the server was asked to delete is not leaving any more.
        - If the listing is not whole, an absent row is not gone, because its message may be there. It is in
          doubt if the listing has all lines. Rows whose messages the server was asked to delete, and rows of
          reused UIDLs, are gone all the same.
        - Rows that are gone for longer than the grace period are pruned. Failures of absent messages are
          removed at once, but only if the listing has all lines.
        - A quiet listing is remembered, unless one of its rows was written since `memory` was recalled.
        - The policy is noted; `recall` returns it the next time.
        """
        ...

    def settle(
        self,
        key: MailboxKey,
        renamed: Mapping[bytes, Listed],
        gone: Collection[bytes],
        gone_since: datetime,
        *,
        decided: Collection[bytes] = (),
    ) -> None:
        """Give rows new UIDLs in the place of old ones, and note those that are gone for good.

        This is one commit. `renamed` has the listed message for each old UIDL. None of the messages `decided`
        is held any longer.
        """
        ...

    def mark_seen(self, key: MailboxKey, messages: Collection[Listed], now: datetime) -> int:
        """Note that these messages, except stored ones, are never fetched nor deleted. Returns how many."""
        ...

    def note_oversize(self, key: MailboxKey, octets: Mapping[Listed, int], now: datetime) -> None:
        """Note that these messages of so many octets were larger than `max_message`, to report it once."""
        ...


class Failures(Protocol):
    """STATE: the messages that could not be fetched or deleted. Every method raises LedgerError."""

    def read(self, key: MailboxKey) -> Mapping[bytes, Failure]:
        """The failure of every message of the mailbox that failed when it was last tried, by UIDL."""
        ...

    def note(self, key: MailboxKey, failed: Mapping[Listed, Failure]) -> Sequence[Listed]:
        """Note a failure of each of these messages, and add it to those before it in the row.

        Returns the messages that are set aside because of it. A commit of a message forgets its failures.
        """
        ...

    def note_header(self, key: MailboxKey, uidl: bytes, header: bytes) -> None:
        """Keep the header of a message in quarantine; empty if the server did not give it."""
        ...

    def retry(self, key: MailboxKey, uidls: Collection[bytes]) -> int:
        """Forget the failures of these, so that the next poll tries them. Returns how many had any."""
        ...

    def take(self, key: MailboxKey, uidls: Collection[bytes]) -> int:
        """Note that the next poll stores these, whatever comes. Returns how many had a failure."""
        ...


class Lost(Protocol):
    """STATE: messages that vanished without our deleting them, or whose UIDLs are in doubt.

    They may be listed under another UIDL now. Every method raises LedgerError.
    """

    def any(self, key: MailboxKey) -> bool:
        """Whether the mailbox has any."""
        ...

    def find(self, key: MailboxKey, identity: bytes) -> bytes | None:
        """The UIDL of the lost message with this identity, if no other message of the mailbox has it."""
        ...

    def mostly_nameless(self, key: MailboxKey) -> bool:
        """Whether more than half of the known messages are lost and have no identity."""
        ...

    def there_until(self, key: MailboxKey) -> datetime | None:
        """The last good poll, or the poll that first missed one of them if that was earlier.

        None if no poll went well yet.
        """
        ...

    def come_back(self, key: MailboxKey, found: Mapping[bytes, Listed], now: datetime) -> None:
        """Give rows new UIDLs in the place of old ones, in one commit.

        `found` has the listed message for each old UIDL. If a new UIDL had a row of another message, that
        message is gone since `now`, unless it comes back itself.
        """
        ...

    def leave(self, key: MailboxKey, uidls: Collection[bytes]) -> None:
        """Note that we ask the server to delete these: when they vanish, they are not lost."""
        ...

    def left(self, key: MailboxKey, *, answered: bool) -> None:
        """Note that a session said QUIT to delete what it had marked, and got a good answer or not."""
        ...
