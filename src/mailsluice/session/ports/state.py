"""STATE: the ledger, and all its parts except the messages.

Owns the promises of these ports. Must never import the modules that keep them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from mailsluice.model import MailboxKey, SessionReport, Where
from mailsluice.report import MailboxReport
from mailsluice.session.ports.messages import Failures, Lost, Messages


class Reports(Protocol):
    """STATE: how the polls of each mailbox went, for people. Nothing here decides the fate of a message.

    `note_session` and `note_next_poll` cost a session no write: `flush` writes later. Every method but
    `flush` raises LedgerError.
    """

    def note_session(self, key: MailboxKey, report: SessionReport) -> None:
        """Remember how a session went."""
        ...

    def note_next_poll(self, key: MailboxKey, name: str, due: datetime | None) -> None:
        """Remember when the mailbox with the name `name` is polled next; None for never."""
        ...

    def flush(self) -> None:
        """Write what was noted since the last call, and the ledger's clock, in one commit.

        What cannot be written is kept for the next call. If nothing was noted, nothing is written.
        """
        ...

    def acknowledge(self, key: MailboxKey) -> None:
        """Note that an administrator has acknowledged all messages of this mailbox that are held now."""
        ...

    def read(self) -> Mapping[MailboxKey, MailboxReport]:
        """The report of every mailbox that was ever polled or due, as it was last written."""
        ...


class Leases(Protocol):
    """STATE: who works on a mailbox."""

    def hold(self, key: MailboxKey) -> AbstractContextManager[None]:
        """Hold this mailbox against every other process and thread, while the context lasts.

        Raises MailboxLocked at once if another one holds it, and LedgerError if this cannot be found out. It
        becomes free when its holder is killed.
        """
        ...


class Stagings(Protocol):
    """STATE: where messages are staged, or were staged before. Every method raises LedgerError."""

    def known(self, key: MailboxKey, sink: str) -> Where | None:
        """Where this mailbox's messages were last staged in the sink of this spec.

        If only messages of other mailboxes were staged in this sink, the answer has no place. If the sink was
        never used, it has no id, and all mounts that any sink was on. None if there never was a sink.
        """
        ...

    def every(self) -> Sequence[tuple[MailboxKey, Where]]:
        """Every known staging directory, with its mailbox."""
        ...

    def note(self, key: MailboxKey, where: Where) -> None:
        """Remember where messages are staged from now on. Must come before any message is recorded there."""
        ...

    def forget(self, key: MailboxKey, sink: str) -> None:
        """Forget the staging directory of a mailbox in this sink, because it is not there any more."""
        ...

    def orphans(self, sink: str) -> Mapping[str, datetime]:
        """The names that were left behind in this sink at the last look, and when each was first seen."""
        ...

    def note_orphans(self, sink: str, new: Collection[str], over: Iterable[str], now: datetime) -> None:
        """Remember `new` names that were left behind, and forget those in `over`, which no longer are."""
        ...

    def tidied(self) -> datetime | None:
        """When `session.tidying` last ran; None for never."""
        ...

    def note_tidied(self, now: datetime) -> None:
        """Remember that it runs now."""
        ...


class Aliases(Protocol):
    """STATE: mailboxes that may be one mailbox under several names. Every method raises LedgerError."""

    def is_blank(self, key: MailboxKey) -> bool:
        """Whether no message of this mailbox is known."""
        ...

    def others(self, key: MailboxKey) -> Sequence[MailboxKey]:
        """The other mailboxes that had messages in their last listing, as far as is known.

        Mailboxes of the same address on another host count if any message of them is known. They come last.
        """
        ...

    def also_in(self, key: MailboxKey, identities: Collection[bytes]) -> Mapping[MailboxKey, int]:
        """How many of these identities messages of other mailboxes have, too, by mailbox."""
        ...

    def rename(self, old: MailboxKey, new: MailboxKey, *, is_proven: bool, now: datetime) -> None:
        """Give all that is known of `old` to `new`, of which no message is known yet.

        If it is not proven that they are the same mailbox, every row is in doubt, and the UIDL of a row
        without an identity decides nothing.
        """
        ...


class Ledger(Protocol):
    """STATE: the whole ledger, opened. A context manager; leaving it closes the ledger.

    Reports that were noted and not flushed are lost then. Any number of threads may use it at once. Its times
    are by a clock of its own, `now`, except what only people read: `Failure.last`, and reports.
    """

    @property
    def messages(self) -> Messages:
        """What is known of every message."""
        ...

    @property
    def failures(self) -> Failures:
        """Which messages could not be fetched or deleted."""
        ...

    @property
    def reports(self) -> Reports:
        """How the polls went."""
        ...

    @property
    def leases(self) -> Leases:
        """Who works on a mailbox."""
        ...

    @property
    def stagings(self) -> Stagings:
        """Where messages are staged."""
        ...

    @property
    def aliases(self) -> Aliases:
        """Which mailboxes may be the same under several names."""
        ...

    @property
    def lost(self) -> Lost:
        """Which messages may come back under another UIDL."""
        ...

    @property
    def id(self) -> str:
        """Identifies this ledger among all others. It never changes."""
        ...

    @property
    def is_new(self) -> bool:
        """Whether the ledger was made when it was opened this time."""
        ...

    def staging_owner(self, key: MailboxKey) -> str:
        """A file name for this mailbox's staging directory that no other mailbox or ledger has.

        Its first half is the same for this mailbox in every ledger, its second half the same for every
        mailbox of this ledger.
        """
        ...

    def now(self) -> datetime:
        """The time by which ages are measured. Setting the machine's clock does not change it."""
        ...

    def check(self) -> None:
        """Raise LedgerReplaced if the files are not those that were opened.

        Raises LedgerError if this cannot be found out.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def close(self) -> None:
        """Close it. Raises LedgerError."""
        ...
