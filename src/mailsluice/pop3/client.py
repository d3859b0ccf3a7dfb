"""The client: what a session can ask of a POP3 server, as methods.

Owns which commands a method sends, and in which order. Must never retry, log, or decide what is fetched or
deleted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, islice
from operator import attrgetter
from types import TracebackType
from typing import Self

from mailsluice.clock import Clock
from mailsluice.config.models import Mailbox
from mailsluice.errors import (
    CommandRefused,
    ConnectionLost,
    LoginRefused,
    Phase,
    ProtocolViolation,
    ServerError,
)
from mailsluice.message.header import LIMIT, Header
from mailsluice.model import BearerToken, DeletePermit, Lines, Listed, Listing, Login, Window
from mailsluice.net.certificate import Tls
from mailsluice.net.connection import Connection
from mailsluice.net.connections import Connections
from mailsluice.net.deadlines import Patience
from mailsluice.net.endpoint import Endpoint
from mailsluice.net.proxy import DIRECT, Route
from mailsluice.net.stages import Observe, unobserved
from mailsluice.net.xoauth2 import decode_challenge, initial_response
from mailsluice.pop3 import commands as c
from mailsluice.pop3.deadlines import Deadlines
from mailsluice.pop3.events import Answered, Challenged, Greeted, TurnedAway
from mailsluice.pop3.excerpt import OCTETS, Excerpt
from mailsluice.pop3.exchange import Exchange
from mailsluice.pop3.listing import (
    listing_digest,
    parse_capabilities,
    parse_listing,
    parse_stat,
)
from mailsluice.pop3.pipeline import Arrival, Transfer
from mailsluice.pop3.protocol import LocalProtocolError

_DEADLINES = Deadlines()
_UIDL = attrgetter("uidl")

_LONGEST_CAPABILITIES = 64 * 1024
_LONGEST_LISTING = 24 * 1024 * 1024
"""The most octets of a UIDL or LIST body: a million messages of Exchange Online. `Excerpt` keeps fewer."""
_LONGEST_TOP = 200 * 1024 * 1024
"""The most octets of an answer to TOP. Only the header is kept. But a server that ignores the number of lines
sends the whole message. So the limit is the default of `max_message`."""
_TOO_LONG = (
    f"move old mail out of the inbox: an answer of more than {_LONGEST_LISTING} octets "
    f"({_LONGEST_LISTING // 2**20} MiB) to {{}} is not read, even if it lists few messages"
)


def connect(
    mailbox: Mailbox,
    *,
    clock: Clock,
    connections: Connections,
    deadlines: Deadlines = _DEADLINES,
    route: Callable[[Mailbox], Route] = lambda _: DIRECT,
    observe: Observe = unobserved,
) -> Client:
    """Connect to the mailbox's server on its route, verify it, and read its greeting.

    `observe` is told each stage until there is TLS. What follows is the greeting.

    With its keyword arguments bound, this is a `session.ports.Connect`. Raises ServerError, SecretError for a
    proxy's password, and Stopped if `connections` were aborted.
    """
    endpoint = Endpoint(mailbox.host, mailbox.port, mailbox.ca_file, route=route(mailbox))
    connection = Connection.open(
        endpoint,
        clock=clock,
        deadlines=deadlines,
        connections=connections,
        owner=mailbox.name,
        observe=observe,
    )
    exchange = Exchange(connection, Patience(deadlines.greeting))
    event = exchange.next_event()
    if not isinstance(event, Greeted):
        exchange.close()
        reply = event.text if isinstance(event, TurnedAway) else ""
        raise ConnectionLost(f"{endpoint} turned us away: {reply!r}", phase=Phase.GREETING, reply=reply)
    return Client(exchange, event, opened=connection.opened, clock=clock, deadlines=deadlines)


class Client:
    """One session, connected and greeted; satisfies `session.ports.Client`.

    `greeting` is what the server said first.
    """

    def __init__(
        self, exchange: Exchange, greeting: Greeted, *, opened: float, clock: Clock, deadlines: Deadlines
    ) -> None:
        self.greeting = greeting
        self._exchange = exchange
        self._opened = opened
        self._clock = clock
        self._deadlines = deadlines
        self._capabilities: Mapping[str, tuple[str, ...]] | None = None
        self._listing: Listing | None = None
        # UIDLs in order, and their message numbers: two lists take much less memory than a dict.
        self._numbers: tuple[list[bytes], list[int]] | None = None
        self._transfer = Transfer(exchange, deadlines)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._exchange.close()

    @property
    def tls(self) -> Tls | None:
        """The TLS of the session, and the server's certificate; None if it is closed."""
        return self._exchange.tls

    @property
    def expiring(self) -> bool:
        """Whether the session has lasted so long that it should end after what it is doing now."""
        return self._clock.monotonic() - self._opened >= self._deadlines.expiring

    def capabilities(self) -> Mapping[str, tuple[str, ...]]:
        """What the server says it can do; empty if it does not know CAPA.

        CAPA is sent once, when its answer is first needed: most polls find nothing and do not need it. It is
        not sent again after the login: Exchange gives the same answer before and after it.
        """
        if self._capabilities is None:
            self._begin(self._deadlines.greeting)
            answer = self._exchange.ask(c.CAPA)
            body = self._exchange.body(_LONGEST_CAPABILITIES) if answer.accepted else b""
            self._capabilities = parse_capabilities(body)
        return self._capabilities

    def authenticate(self, address: str, login: Login) -> None:
        """Log in to the mailbox `address`: XOAUTH2 in two lines, or USER and PASS.

        Raises LoginRefused with the server's words as `reply`. If the server says why it refused a token, the
        error message has that reason, too.
        """
        try:
            first, second = _steps(address, login)
        except ValueError as exc:
            raise LoginRefused(
                f"nothing was sent to {self._exchange.peer}, because of the address or the secret of "
                f"{address!r}: {exc}",
                phase=Phase.AUTH,
            ) from exc
        self._begin(self._deadlines.auth)
        answer = self._exchange.ask_in_login(first)
        if isinstance(answer, Challenged) or answer.accepted:
            answer = self._exchange.ask_in_login(second)
        reason = ""
        # A challenge after the token is XOAUTH2's way to refuse it, with a reason. An empty response asks the
        # server for the -ERR that ends the login.
        if isinstance(answer, Challenged):
            reason = self._exchange.quotable(decode_challenge(answer.challenge).encode("utf-8", "replace"))
            answer = self._exchange.ask_in_login(c.sasl_response(b""))
        if isinstance(answer, Challenged) or not answer.accepted:
            raise self._login_failure(address, answer, reason)

    def stat(self) -> tuple[int, int]:
        """The number of messages, and their octets as the server estimates them. Raises CommandRefused."""
        self._begin(self._deadlines.listing)
        answer = self._exchange.ask(c.STAT)
        if not answer.accepted:
            raise self._exchange.refusal(answer)
        with self._exchange.fatal():
            return parse_stat(answer.text)

    def listing(self, window: Window | None = None) -> Listing:
        """The messages that the server lists, in its order, or only those in the `window`.

        Raises CommandRefused if UIDL is refused. If LIST is refused, the sizes are missing. LIST is not sent
        for an empty mailbox. The messages are parsed when they are first needed. Then ProtocolViolation may
        be raised, which ends the session.
        """
        uidls, sizes = self._listed(c.UIDL, window), None
        if uidls.lines:
            with suppress(CommandRefused):
                sizes = self._listed(c.LIST, window)
        uidl_lines, list_lines = uidls.body(), sizes.body() if sizes else b""
        if uidls.lines and not uidl_lines:  # the excerpt keeps whole lines, and had no room for a single one
            with self._exchange.fatal():
                raise ProtocolViolation(
                    f"{self._exchange.peer} answered UIDL with a line of more than {OCTETS} octets",
                    phase=Phase.LISTING,
                )
        digest = listing_digest(uidls.digest, sizes.digest if sizes else None)
        beyond = uidls.lines - uidl_lines.count(b"\n")
        self._listing = Listing(digest, uidls.lines, lambda: self._parsed(uidl_lines, list_lines), beyond)
        return self._listing

    def _listed(self, command: c.Command, window: Window | None) -> Excerpt:
        self._begin(self._deadlines.listing)
        answer = self._exchange.ask(command)
        if not answer.accepted:
            raise self._exchange.refusal(answer)
        excerpt = Excerpt(window)
        for piece in self._exchange.pieces(_LONGEST_LISTING, _TOO_LONG.format(command.verb)):
            excerpt.feed(piece)
        return excerpt

    def _parsed(self, uidls: bytes, sizes: bytes) -> Lines:
        with self._exchange.fatal():
            return parse_listing(uidls, sizes, self._exchange.quotable)

    def tell_apart(self, uidls: Mapping[int, bytes]) -> Listing:
        """Give these messages, by number, other UIDLs for this session. Returns the listing that has them."""
        self._listing, self._numbers = self._shown.renamed(uidls), None
        return self._listing

    @property
    def _shown(self) -> Listing:
        if self._listing is None:
            raise LocalProtocolError("no listing was asked for")
        return self._listing

    def retrieve(self, messages: Iterable[Listed], ceiling: int) -> Generator[Arrival, None, None]:
        """Fetch these in order; see `Transfer.retrieve`. `ceiling`: the most octets one message may have."""
        # Two messages are enough to know that pipelining helps. The others are taken when there is room.
        waiting = iter(messages)
        first = tuple(islice(waiting, 2))
        self._ask_ahead(len(first))
        self._begin(self._deadlines.retrieve)
        return self._transfer.retrieve(chain(first, waiting), ceiling)

    def header(self, listed: Listed) -> bytes:
        """A message's header, or as much of it as `Header` reads. Raises CommandRefused.

        TOP is optional (RFC 1939 §7). What a server sends after the header is read and discarded.
        """
        self._begin(self._deadlines.retrieve)
        answer = self._exchange.ask(c.top(listed.number, 0))
        if not answer.accepted:
            raise self._exchange.refusal(answer)
        head = self._exchange.body(_LONGEST_TOP, kept=LIMIT)
        return head[: Header(head).end]

    def has_top(self) -> bool:
        """Whether the server says that it has TOP, and so gives headers (RFC 1939 §7, RFC 2449 §6.2)."""
        return "TOP" in self.capabilities()

    def delete(self, permits: Sequence[DeletePermit]) -> None:
        """Mark these for deletion at QUIT: at once, or within an open retrieval as it goes on.

        A message is ignored if this session's listing does not have it, or has its UIDL twice. If the server
        refuses one deletion, this is counted, not raised: the next listing shows that the message is still
        there. Raises LocalProtocolError before a listing.
        """
        if self._numbers is None:
            ordered = sorted(self._shown, key=_UIDL)
            self._numbers = [listed.uidl for listed in ordered], [listed.number for listed in ordered]
        numbers = tuple(_numbers(*self._numbers, permits))
        # Not idle: a retrieval is open. It sends these deletions between its messages. With no number at all,
        # CAPA would be asked for nothing.
        if self._exchange.idle and numbers:
            self._ask_ahead(len(numbers))
            self._begin(self._deadlines.delete)
        self._transfer.delete(numbers)

    @property
    def deleted(self) -> int:
        """How many deletions the server agreed to."""
        return self._transfer.deleted

    @property
    def undeleted(self) -> int:
        """How many deletions the server refused."""
        return self._transfer.undeleted

    @property
    def deleting(self) -> bytes | None:
        """The UIDL of the message, if the next answer is to its DELE; None otherwise."""
        number = self._transfer.deleting
        if number is None:
            return None
        return next(listed.uidl for listed in self._shown if listed.number == number)

    def quit(self) -> None:
        """End the session. The server now deletes the marked messages (RFC 1939 §6).

        The more messages are marked, the longer it may take. Raises CommandRefused if the server says that it
        could not delete everything.
        """
        self._begin(self._deadlines.quit + self.deleted * self._deadlines.deletion)
        answer = self._exchange.ask(c.QUIT)
        self._exchange.close()
        if not answer.accepted:
            raise self._exchange.refusal(answer)

    def abandon(self) -> None:
        """Close the connection at once. Nothing more is read, and no marked message is deleted."""
        self._exchange.close()

    def _ask_ahead(self, commands: int) -> None:
        """Pipeline from now on, if the server can (RFC 2449 §6.6). For one command, CAPA is not worth it."""
        if commands > 1 and not self._transfer.ahead:
            self._transfer.ahead = "PIPELINING" in self.capabilities()

    def _begin(self, seconds: float) -> None:
        if not self._exchange.idle and not self._exchange.closed:
            raise LocalProtocolError("another command while a retrieval is open")
        self._exchange.patience = Patience(seconds)

    def _login_failure(self, address: str, answer: Answered | Challenged, reason: str) -> ServerError:
        because = f" ({reason})" if reason else ""
        if isinstance(answer, Challenged):  # again, after the empty response
            self._exchange.close()
            return ProtocolViolation(
                f"{self._exchange.peer} asks for another response after the token of {address}{because}",
                phase=Phase.AUTH,
            )
        return LoginRefused(
            f"{self._exchange.peer} did not accept the login of {address}: {answer.text!r}{because}",
            phase=Phase.AUTH,
            reply=answer.text,
        )


def _numbers(
    uidls: Sequence[bytes], numbers: Sequence[int], permits: Sequence[DeletePermit]
) -> Iterator[int]:
    """The numbers of the permitted messages. `uidls` are in order, and `numbers` are in the same order.

    If two messages have one UIDL, nobody can say which of them is stored. So neither may be deleted.
    """
    for permit in permits:
        index = bisect_left(uidls, permit.uidl)
        if uidls[index : index + 2].count(permit.uidl) == 1:
            yield numbers[index]


def _steps(address: str, login: Login) -> tuple[c.Command, c.Command]:
    """The two commands that log in. Raises ValueError if the address or the secret cannot be sent."""
    if isinstance(login, BearerToken):
        response = initial_response(address, login.value)
        return (c.AUTH_XOAUTH2, c.sasl_response(response, login.value.encode()))
    return (c.user(address), c.password(login.value))
