"""WHO and WIRE: the logins, and one POP3 session.

Owns the promises of these ports. Must never import the modules that keep them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from mailsluice.config.models import Mailbox
from mailsluice.model import DeletePermit, Listed, Listing, Login, Window


class Credentials(Protocol):
    """WHO: gives the login for a mailbox, before anything is connected."""

    def login(self, mailbox: Mailbox) -> Login:
        """What to authenticate with. It is valid for some more minutes.

        Raises SecretError, TokenRefused, TokenUnavailable.
        """
        ...

    def accepted(self, mailbox: Mailbox, login: Login) -> None:
        """The server let the mailbox in with this login."""
        ...

    def refused(self, mailbox: Mailbox, login: Login) -> None:
        """The server did not accept this login, and its words are not about something that passes.

        A token that lets no mailbox in is not given again for the rest of its life.
        """
        ...


class Arrival(Protocol):
    """One message that is arriving from the server."""

    @property
    def listed(self) -> Listed:
        """Which message of the listing this is."""
        ...

    @property
    def chunks(self) -> Iterator[bytes]:
        """The message's octets in order, dots unstuffed, CRLF kept. Must be read to the end, once.

        Raises CommandRefused before the first chunk (the session goes on), MessageTooLarge when the message
        passes the ceiling (the connection is closed), or any other ServerError (the session is over).
        """
        ...


class Client(Protocol):
    """WIRE: one POP3 session, connected and greeted. A context manager; leaving it closes the connection.

    Every method raises ServerError. Only after CommandRefused does the session go on.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def authenticate(self, address: str, login: Login) -> None:
        """Log in to the mailbox `address`. Raises LoginRefused with the server's words."""
        ...

    def listing(self, window: Window | None = None) -> Listing:
        """The messages that the server lists, in its order, with LIST's sizes if it gives any.

        In a long listing only those in `window` are looked at; None: all. The messages are parsed at the
        first access to the listing, which may raise ServerError.
        """
        ...

    def tell_apart(self, uidls: Mapping[int, bytes]) -> Listing:
        """The listing with other UIDLs for these messages, by number. They are used in this session."""
        ...

    def retrieve(self, messages: Iterable[Listed], ceiling: int) -> Generator[Arrival, None, None]:
        """Fetch these in order. Asks for several at once if the server advertises PIPELINING.

        A message is taken from `messages` when it is asked for. `ceiling` is the most octets that a message
        may have. If the iterator is closed early, the answers still to come are read and dropped, so that the
        session can go on.
        """
        ...

    def header(self, listed: Listed) -> bytes:
        """A message's header, by TOP. Raises CommandRefused if the server does not give it."""
        ...

    def has_top(self) -> bool:
        """Whether the server says that it has TOP (RFC 1939 §7, RFC 2449 §6.2)."""
        ...

    def delete(self, permits: Sequence[DeletePermit]) -> None:
        """Mark these for deletion at QUIT: at once, or between the messages of a retrieval that is open.

        This session must have asked for its listing before.
        """
        ...

    @property
    def deleted(self) -> int:
        """How many deletions the server agreed to in this session."""
        ...

    @property
    def undeleted(self) -> int:
        """How many deletions the server refused in this session."""
        ...

    @property
    def deleting(self) -> bytes | None:
        """The UIDL of the message whose deletion the server has not answered yet; None if there is none."""
        ...

    def quit(self) -> None:
        """End the session. The server then deletes what was marked (RFC 1939 §6)."""
        ...

    def abandon(self) -> None:
        """Close the connection at once. Nothing more is read, and nothing that was marked is deleted."""
        ...

    @property
    def expiring(self) -> bool:
        """Whether the session has lasted so long that it should begin nothing new."""
        ...


class Connect(Protocol):
    """Makes the client of a session."""

    def __call__(self, mailbox: Mailbox) -> Client:
        """Connect, verify, and read the greeting. Raises ServerError, SecretError for a proxy's password."""
        ...
