"""STATE: the messages, as the ledger knows them.

Owns these promises. Must never import what keeps them.
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
        """The rows still `staged`, by sink spec: recorded, perhaps published, not committed (steps 3, 4)."""
        ...

    def known(self, key: MailboxKey) -> Mapping[bytes, Known]:
        """Every message remembered of this mailbox, by UIDL."""
        ...

    def recall(self, key: MailboxKey, listed: Iterable[bytes]) -> Memory:
        """What is known of these UIDLs, and of all that were there when last listed."""
        ...

    def quiet(self, key: MailboxKey, digest: bytes, now: datetime) -> Mapping[str, int] | None:
        """What is held of a listing of this digest that was confirmed as quiet; None for any other.

        It holds until its time is over, or anything is written of the mailbox's messages or failures.
        """
        ...

    def record(self, key: MailboxKey, staged: Sequence[Staged], sink: str, now: datetime) -> None:
        """Write the rows as `staged`, in one commit (step 3). `sink` is the sink's spec, for recovery."""
        ...

    def commit(
        self, key: MailboxKey, stored: Sequence[Stored], now: datetime, *, leaving: bool = False
    ) -> tuple[DeletePermit, ...]:
        """Turn the rows into `stored`, in one commit (step 5). `leaving`: they are about to be deleted."""
        ...

    def take_back(self, key: MailboxKey, staged: Sequence[Staged]) -> None:
        """Forget these rows, as far as they are still `staged`: their messages were never published."""
        ...

    def permits(self, key: MailboxKey, uidls: Collection[bytes]) -> tuple[DeletePermit, ...]:
        """Permits for those of `uidls` that are committed as stored, and not in doubt."""
        ...

    def evidence(self, key: MailboxKey, uidls: Collection[bytes]) -> Mapping[bytes, Evidence]:
        """The identities of these messages, as far as they have one."""
        ...

    def recognised(self, key: MailboxKey, listed: Collection[Listed]) -> None:
        """Note that these are the messages that the rows of their UIDLs are of: none is in doubt any more."""
        ...

    def identify(self, key: MailboxKey, identities: Mapping[bytes, bytes]) -> None:
        """Note what these messages are known again by, by UIDL; empty where their headers tell nothing."""
        ...

    def identities(self, key: MailboxKey) -> Mapping[bytes, bytes]:
        """What the headers of stored messages are known again by (`identity`), by UIDL."""
        ...

    def replaced(self, key: MailboxKey, uidls: Collection[bytes], now: datetime) -> None:
        """Note that these UIDLs have other messages now: those that were stored under them are gone."""
        ...

    def doubt(self, key: MailboxKey) -> None:
        """Put every row of the mailbox in doubt whose message is listed."""
        ...

    def stays(self, key: MailboxKey, uidls: Collection[bytes]) -> None:
        """Note that these stored messages stay on the server for ever."""
        ...

    def commits(self, key: MailboxKey) -> int:
        """How often this mailbox's messages were written: an older copy of the ledger says less."""
        ...

    def catch_up(self, key: MailboxKey, commits: int) -> None:
        """Go on counting from `commits`, and put every row in doubt: the ledger forgot what came since."""
        ...

    def confirm(self, key: MailboxKey, memory: Memory, listing: Confirmation, now: datetime) -> None:
        """Note a listing: stored rows absent from it are `gone`, gone rows in it are `stored` again (step 7).

        A row that is back is in doubt: another message may have its UIDL. One that the server was asked to
        delete, and is listed, is not leaving any more.

        `memory` was recalled for this listing, under the mailbox's lease. Rows of reused UIDLs are absent.
        Rows gone for longer than the grace period are pruned, failures absent from the listing at once. A
        quiet listing is remembered, unless something that it stands for was written since it was recalled.
        Where the listing is not whole, what is absent from it is in doubt, but for what the server was asked
        to delete; failures stay unless it has all lines. Rows whose UIDLs are doubtful are in doubt. `recall`
        tells the policy the next time.
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
        """Put new UIDLs in the place of old ones, and note those that are gone for good; in one commit.

        Of the messages `decided` none is held any longer.
        """
        ...

    def mark_seen(self, key: MailboxKey, messages: Collection[Listed], now: datetime) -> int:
        """Remember that these are never to be fetched nor deleted, but for those stored; how many."""
        ...

    def note_oversize(self, key: MailboxKey, octets: Mapping[Listed, int], now: datetime) -> None:
        """Remember that these, of so many octets, were larger than `max_message`, so as to report it once."""
        ...


class Failures(Protocol):
    """STATE: the messages that could not be had. Every method raises LedgerError."""

    def read(self, key: MailboxKey) -> Mapping[bytes, Failure]:
        """Every message of the mailbox that could not be fetched when last tried, by UIDL."""
        ...

    def note(self, key: MailboxKey, failed: Mapping[Listed, Failure]) -> Sequence[Listed]:
        """Note that each was tried in vain, and add its failures; those that are held by that.

        A commit forgets them.
        """
        ...

    def note_header(self, key: MailboxKey, uidl: bytes, header: bytes) -> None:
        """Keep what the server told of a message in quarantine."""
        ...

    def retry(self, key: MailboxKey, uidls: Collection[bytes]) -> int:
        """Forget that these could not be fetched, so that the next poll tries; how many that were."""
        ...

    def take(self, key: MailboxKey, uidls: Collection[bytes]) -> int:
        """Note that these are to be stored as they come, so that the next poll does; how many were held."""
        ...


class Lost(Protocol):
    """STATE: messages that vanished without our deleting them, or whose UIDLs are in doubt.

    Every method raises LedgerError.
    """

    def any(self, key: MailboxKey) -> bool:
        """Whether the mailbox has any."""
        ...

    def find(self, key: MailboxKey, identity: bytes) -> bytes | None:
        """The UIDL of the lost message of this identity, if no other message of the mailbox has it."""
        ...

    def mostly_nameless(self, key: MailboxKey) -> bool:
        """Whether more than half of what is known is lost, and has nothing to be known again by."""
        ...

    def there_until(self, key: MailboxKey) -> datetime | None:
        """When the mailbox was last polled well before the first of them vanished; None for never."""
        ...

    def come_back(self, key: MailboxKey, found: Mapping[bytes, Listed], now: datetime) -> None:
        """Put new UIDLs in the place of old ones, in one commit.

        What was known under a new UIDL, and does not come back itself, is gone since now.
        """
        ...

    def leave(self, key: MailboxKey, uidls: Collection[bytes]) -> None:
        """Note that we ask the server to delete these: once they vanish, they are not lost."""
        ...

    def left(self, key: MailboxKey, *, answered: bool) -> None:
        """Note that QUIT was said, which has the server delete what was marked: `answered` well or not."""
        ...
