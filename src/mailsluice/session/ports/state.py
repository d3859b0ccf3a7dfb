"""STATE: the ledger.

Owns these promises. Must never import what keeps them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from mailsluice.failure import Failure
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
    Where,
)


class Stagings(Protocol):
    """STATE: where messages are staged, or once were. Every method raises LedgerError."""

    def known(self, key: MailboxKey, sink: str) -> Where | None:
        """Where this mailbox's messages were last staged in the sink of this spec.

        Without a place where only another mailbox's were: it is the same sink. Without an id where it was
        never used: then with all mounts that any sink lay on. None where there never was a sink.
        """
        ...

    def every(self) -> Sequence[tuple[MailboxKey, Where]]:
        """Every staging directory that is known of, with its mailbox."""
        ...

    def note(self, key: MailboxKey, where: Where) -> None:
        """Remember where messages are staged from now on; before any is recorded there."""
        ...

    def forget(self, key: MailboxKey, sink: str) -> None:
        """Forget the staging directory of a mailbox in this sink: it is not there any more."""
        ...

    def orphans(self, sink: str) -> Mapping[str, datetime]:
        """What was left behind in this sink when last looked at, and since when it was seen so."""
        ...

    def note_orphans(self, sink: str, new: Collection[str], over: Iterable[str], now: datetime) -> None:
        """Remember new ones, and forget those that are none any more."""
        ...


class Kin(Protocol):
    """STATE: mailboxes that may be one and the same under several names. Every method raises LedgerError."""

    def is_blank(self, key: MailboxKey) -> bool:
        """Whether no message of this mailbox is known."""
        ...

    def others(self, key: MailboxKey) -> Sequence[MailboxKey]:
        """The other mailboxes of which messages are known that were there when last listed.

        Of this address elsewhere, any messages: such mailboxes come last.
        """
        ...

    def also_in(self, key: MailboxKey, identities: Collection[bytes]) -> Mapping[MailboxKey, int]:
        """How many of these identities are known of messages of other mailboxes, too, by mailbox."""
        ...

    def rename(self, old: MailboxKey, new: MailboxKey, *, is_proven: bool, now: datetime) -> None:
        """Make what is known of `old` that of `new`, of which no message is known.

        Where that is not proven, every row is in doubt, and the UIDL of one without an identity says nothing.
        """
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


class Ledger(Protocol):
    """STATE: what is known of every message. Every method raises LedgerError.

    Times are by a clock of its own, `now`, but for what only people read: failures, and reports.
    """

    @property
    def stagings(self) -> Stagings:
        """Where messages are staged."""
        ...

    @property
    def kin(self) -> Kin:
        """Which mailboxes may be one and the same."""
        ...

    @property
    def lost(self) -> Lost:
        """What may come back under another UIDL."""
        ...

    def now(self) -> datetime:
        """What ages are measured by: no setting of the machine's clock moves it."""
        ...

    def lock(self, key: MailboxKey) -> AbstractContextManager[None]:
        """Hold this mailbox against every other process and thread. Raises MailboxLocked at once."""
        ...

    def tidied(self) -> datetime | None:
        """When it was last tidied up; None for never."""
        ...

    def note_tidied(self, now: datetime) -> None:
        """Remember that it is tidied up now."""
        ...

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

    def confirm(
        self,
        key: MailboxKey,
        memory: Memory,
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
        """Note a listing: stored rows absent from it are `gone`, gone rows in it are `stored` again (step 7).

        A row that is back is in doubt: another message may have its UIDL. One that the server was asked to
        delete, and is listed, is not leaving any more.

        `memory` was recalled for this listing, under the mailbox's lock. `reused` are UIDLs listed that
        other messages than the ledger's have: those rows are absent. Rows gone for longer than the grace
        period are pruned, failures absent from the listing at once. A `quiet` listing is remembered, unless
        something that it stands for was written since it was recalled. Where the listing is not whole, what
        is absent from it is in doubt, but for what the server was asked to delete; failures stay unless it
        `has_all` lines. Rows whose UIDLs are `doubtful` are in doubt. `policy` is what the
        mailbox leaves on the server, in words: `recall` tells it the next time.
        """
        ...

    def identities(self, key: MailboxKey) -> Mapping[bytes, bytes]:
        """What the headers of stored messages are known again by (`identity`), by UIDL."""
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

    def failures(self, key: MailboxKey) -> Mapping[bytes, Failure]:
        """Every message that could not be fetched when last tried, by UIDL."""
        ...

    def note_failures(self, key: MailboxKey, failed: Mapping[Listed, Failure]) -> Sequence[Listed]:
        """Note that each was tried in vain, and add its failures; those that are held by that.

        A commit forgets them.
        """
        ...

    def note_header(self, key: MailboxKey, uidl: bytes, header: bytes) -> None:
        """Keep what the server told of a message in quarantine."""
        ...

    def note_session(self, key: MailboxKey, report: SessionReport) -> None:
        """Remember how a session went, for `status`: soon, and not at the cost of this session."""
        ...
