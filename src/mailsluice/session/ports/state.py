"""STATE: the ledger, and its parts but for the messages.

Owns these promises. Must never import what keeps them.
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
    """STATE: how the polls of each mailbox went, for people. Nothing that decides the fate of a message.

    What is noted costs a session nothing: `flush` writes it. Every other method raises LedgerError.
    """

    def note_session(self, key: MailboxKey, report: SessionReport) -> None:
        """Remember how a session went."""
        ...

    def note_next_poll(self, key: MailboxKey, name: str, due: datetime | None) -> None:
        """Remember when the mailbox, which is called `name`, is polled next; None for never."""
        ...

    def flush(self) -> None:
        """Write what was noted since the last time, and the ledger's clock, in one commit.

        What cannot be written is kept for the next time. Where nothing was noted, nothing is written.
        """
        ...

    def acknowledge(self, key: MailboxKey) -> None:
        """Note that an administrator knows of all that is held of this mailbox."""
        ...

    def read(self) -> Mapping[MailboxKey, MailboxReport]:
        """What is written of every mailbox ever polled or due."""
        ...


class Leases(Protocol):
    """STATE: who works on a mailbox."""

    def hold(self, key: MailboxKey) -> AbstractContextManager[None]:
        """Hold this mailbox against every other process and thread, while the context lasts.

        Raises MailboxLocked at once where another one holds it, LedgerError where nobody can tell. It is free
        again when its holder is killed.
        """
        ...


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

    def tidied(self) -> datetime | None:
        """When what is used no more was last tidied up; None for never."""
        ...

    def note_tidied(self, now: datetime) -> None:
        """Remember that it is tidied up now."""
        ...


class Aliases(Protocol):
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


class Ledger(Protocol):
    """STATE: all of it, opened. A context manager; leaving it closes the ledger.

    What was noted of reports and not flushed is lost then. Any number of threads may use it at once. Times
    are by a clock of its own, `now`, but for what only people read: failures, and reports.
    """

    @property
    def messages(self) -> Messages:
        """What is known of every message."""
        ...

    @property
    def failures(self) -> Failures:
        """Which messages could not be had."""
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
        """Which mailboxes may be one and the same."""
        ...

    @property
    def lost(self) -> Lost:
        """What may come back under another UIDL."""
        ...

    @property
    def id(self) -> str:
        """What tells this ledger from every other, for as long as it lasts."""
        ...

    @property
    def is_new(self) -> bool:
        """Whether this opening has made it."""
        ...

    def staging_owner(self, key: MailboxKey) -> str:
        """A file name for this mailbox's staging directory that no other mailbox or ledger has.

        Its first half is the mailbox's with any ledger, its second half the ledger's with any mailbox.
        """
        ...

    def now(self) -> datetime:
        """What ages are measured by: no setting of the machine's clock moves it."""
        ...

    def check(self) -> None:
        """Raise LedgerReplaced if it is not the one any more that was opened.

        Raises LedgerError if that cannot be told.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def close(self) -> None:
        """Let it go. Raises LedgerError."""
        ...
