"""What the session asks of the four layers below it.

Owns the promises, method by method: a fake that keeps them serves as well as the real part, and both pass
the same contract tests. Must never import the layers themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from mailsluice.config.models import Mailbox
from mailsluice.model import (
    DeletePermit,
    Known,
    Listed,
    Listing,
    Login,
    MailboxKey,
    Memory,
    Quiet,
    SessionReport,
    Setback,
    Staged,
    Stored,
)


class Credentials(Protocol):
    """WHO: a login in hand, before anything is connected."""

    def login(self, mailbox: Mailbox) -> Login:
        """What to authenticate with, valid for some minutes more.

        Raises SecretError, TokenRefused, TokenUnavailable.
        """
        ...

    def refused(self, mailbox: Mailbox, login: Login) -> None:
        """The server did not accept this login: do not hand out the same token for its whole life."""
        ...


class Arrival(Protocol):
    """One message on its way from the server."""

    @property
    def listed(self) -> Listed:
        """Which message of the listing this is."""
        ...

    @property
    def chunks(self) -> Iterator[bytes]:
        """The message's octets in order, dots unstuffed, CRLF kept; to be read to its end, once.

        Raises CommandRefused before the first chunk (the session lives), MessageTooLarge once the
        ceiling is passed (the connection is closed), or any other ServerError (the session is over).
        """
        ...


class Client(Protocol):
    """WIRE: one POP3 session, connected and greeted. A context manager; leaving it closes the connection.

    Every method raises ServerError; only CommandRefused leaves the session alive.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def authenticate(self, address: str, login: Login) -> None:
        """Log in to the mailbox `address`. Raises LoginRefused with the server's words."""
        ...

    def listing(self) -> Listing:
        """Every message the server shows, in its order; LIST's sizes where it gives them.

        Who asks for its messages may meet a ServerError: they are parsed when they are wanted.
        """
        ...

    def retrieve(self, messages: Iterable[Listed], ceiling: int) -> Generator[Arrival, None, None]:
        """Fetch these in order. Asks ahead where the server advertises PIPELINING.

        Each is taken when it is asked for. `ceiling` is the most octets one message may have. Closing the
        iterator early reads away what was asked ahead, so that the session can go on.
        """
        ...

    def header(self, listed: Listed) -> bytes:
        """A message's header alone. Raises CommandRefused where the server does not tell it."""
        ...

    def delete(self, permits: Sequence[DeletePermit]) -> None:
        """Mark these for deletion at QUIT: at once, or within an open retrieval as it goes on.

        Needs this session's listing.
        """
        ...

    @property
    def deleted(self) -> int:
        """How many deletions the server agreed to."""
        ...

    @property
    def undeleted(self) -> int:
        """How many deletions the server refused."""
        ...

    def quit(self) -> None:
        """End the session, which makes the server delete what was marked (RFC 1939 §6)."""
        ...

    def abandon(self) -> None:
        """Give the connection up at once; nothing more is read, and nothing marked is deleted."""
        ...

    @property
    def tired(self) -> bool:
        """Whether the session has lasted so long that it should end after what it is doing now."""
        ...


class Connect(Protocol):
    """How a session comes by its client."""

    def __call__(self, mailbox: Mailbox) -> Client:
        """Connect, verify, and read the greeting. Raises ServerError."""
        ...


class Batch(Protocol):
    """DURABLE: messages on their way to be made durable together.

    A context manager. Abort is the default: leaving it without `stage` having returned removes what was
    written.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def add(self, listed: Listed, chunks: Iterator[bytes], received: datetime) -> int:
        """Write one message into staging; its octets. All of it or, on any exception, none of it.

        Raises SinkError, and whatever `chunks` raises.
        """
        ...

    def __len__(self) -> int: ...

    def stage(self) -> tuple[Staged, ...]:
        """Make every message added durable, in staging (crash table, step 2). Raises SinkError."""
        ...


class Sink(Protocol):
    """DURABLE: a spool directory or a Maildir."""

    @property
    def spec(self) -> str:
        """Its kind and place, `spool:/var/spool/x`: what the ledger remembers, so that recovery finds it."""
        ...

    def batch(self) -> Batch:
        """A new, empty batch. Raises SinkError where the sink cannot be used."""
        ...

    def publish(self, staged: Sequence[Staged]) -> tuple[Stored, ...]:
        """Make staged, recorded messages visible, durably, in their order (step 4). Raises SinkError.

        Safe to call again for messages of which some were published before: a staging file that is
        gone was published (crash table, step 4), so it only finishes what is left.
        """
        ...

    def sweep(self) -> int:
        """Remove all that is in staging; how many messages that were (steps 1, 2)."""
        ...


class Ledger(Protocol):
    """STATE: what is known of every message. Every method raises LedgerError.

    Times are by a clock of its own, `now`, but for what only people read: setbacks, and reports.
    """

    def now(self) -> datetime:
        """What ages are measured by: no setting of the machine's clock moves it."""
        ...

    def lock(self, key: MailboxKey) -> AbstractContextManager[None]:
        """Hold this mailbox against every other process and thread. Raises MailboxLocked at once."""
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

    def missed(
        self,
        key: MailboxKey,
        recalled: Container[bytes],
        *,
        gone_after: datetime,
        stored_after: datetime,
        most: int,
    ) -> int:
        """How many messages went after `gone_after`, of those stored after `stored_after` or marked as seen.

        Those whose UIDLs were `recalled` are left out, and no more than `most` are counted.
        """
        ...

    def is_quiet(self, key: MailboxKey, digest: bytes, now: datetime) -> bool:
        """Whether a listing of this digest was confirmed as quiet.

        It holds until its time is over, or anything is written of the mailbox's messages or setbacks.
        """
        ...

    def record(self, key: MailboxKey, staged: Sequence[Staged], sink: str, now: datetime) -> None:
        """Write the rows as `staged`, in one commit (step 3). `sink` is the sink's spec, for recovery."""
        ...

    def commit(self, key: MailboxKey, stored: Sequence[Stored], now: datetime) -> tuple[DeletePermit, ...]:
        """Turn the rows into `stored`, in one commit (step 5)."""
        ...

    def permits(self, key: MailboxKey, uidls: Collection[bytes]) -> tuple[DeletePermit, ...]:
        """Permits for those of `uidls` that are committed as stored."""
        ...

    def confirm(
        self,
        key: MailboxKey,
        memory: Memory,
        listed: Iterable[bytes],
        strangers: Collection[bytes],
        now: datetime,
        *,
        quiet: Quiet | None = None,
    ) -> None:
        """Note a listing: stored rows absent from it are `gone`, gone rows in it are `stored` again (step 7).

        `memory` was recalled for this listing, under the mailbox's lock. `strangers` are UIDLs listed that
        other messages than the ledger's have: those rows are absent. Rows gone for longer than the grace
        period are pruned, setbacks absent from the listing at once. A `quiet` listing is remembered, unless
        something that it stands for was written since it was recalled.
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
    ) -> None:
        """Put new UIDLs in the place of old ones, and note those that are gone, since when; in one commit."""
        ...

    def mark_seen(self, key: MailboxKey, messages: Collection[Listed], now: datetime) -> int:
        """Remember that these are never to be fetched nor deleted, but for those stored; how many."""
        ...

    def note_oversize(self, key: MailboxKey, octets: Mapping[Listed, int], now: datetime) -> None:
        """Remember that these, of so many octets, were larger than `max_message`, so as to report it once."""
        ...

    def setbacks(self, key: MailboxKey) -> Mapping[bytes, Setback]:
        """Every message that could not be fetched when last tried, by UIDL."""
        ...

    def note_setbacks(
        self, key: MailboxKey, errors: Mapping[Listed, str], failures: int, now: datetime
    ) -> Sequence[Listed]:
        """Note that each was tried in vain, and count so many failures; those in quarantine by that.

        A commit forgets them.
        """
        ...

    def note_header(self, key: MailboxKey, uidl: bytes, header: bytes) -> None:
        """Keep what the server told of a message in quarantine."""
        ...

    def note_session(self, key: MailboxKey, report: SessionReport) -> None:
        """Remember how a session went, for `status`: soon, and not at the cost of this session."""
        ...
