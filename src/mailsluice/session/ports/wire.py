"""WHO and WIRE: the logins, and one POP3 session.

Owns these promises. Must never import what keeps them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from mailsluice.config.models import Mailbox
from mailsluice.model import DeletePermit, Listed, Listing, Login, Window


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

    def listing(self, window: Window | None = None) -> Listing:
        """The messages the server shows, in its order, or those in the window; LIST's sizes where it has any.

        Who asks for its messages may meet a ServerError: they are parsed when they are wanted.
        """
        ...

    def tell_apart(self, uidls: Mapping[int, bytes]) -> Listing:
        """The listing, in which these messages, by number, have other UIDLs from now on: for this session."""
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

    def has_top(self) -> bool:
        """Whether the server says that it tells headers (RFC 1939 §7, RFC 2449 §6.2)."""
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

    @property
    def deleting(self) -> bytes | None:
        """The UIDL of the message whose deletion was asked for and not answered; None if there is none."""
        ...

    def quit(self) -> None:
        """End the session, which makes the server delete what was marked (RFC 1939 §6)."""
        ...

    def abandon(self) -> None:
        """Give the connection up at once; nothing more is read, and nothing marked is deleted."""
        ...

    @property
    def expiring(self) -> bool:
        """Whether the session has lasted so long that it should end after what it is doing now."""
        ...


class Connect(Protocol):
    """How a session comes by its client."""

    def __call__(self, mailbox: Mailbox) -> Client:
        """Connect, verify, and read the greeting. Raises ServerError."""
        ...
