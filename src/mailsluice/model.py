"""The values that travel between layers: what a server lists, what is staged, stored, and may be deleted.

Owns these values, and what can be computed from one of them alone. Must never do I/O.

The types enforce the order of a delivery. Only `sink` makes a `Staged`, after a sync; `ledger` reads it back
after a crash. Only `sink` makes a `Stored`, after the message is published durably. Only `ledger` makes a
`DeletePermit`, for a row that is committed as stored. The client deletes only what it has a permit for.
`tests/test_model.py` checks that nobody else makes one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import overload

from mailsluice.failure import Failure
from mailsluice.outcome import Outcome


@dataclass(frozen=True, slots=True)
class MailboxKey:
    """What identifies a mailbox in the ledger, whatever its section is called.

    Both parts are in lower case, because a host or an address in another spelling is the same one.
    """

    host: str
    address: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One message of a session's listing.

    `number` is valid in this session only (RFC 1939 §5). `uidl` is opaque octets. `size` is the size in LIST,
    in octets: an estimate on Exchange Online, and None if the server gave none. It never proves anything.
    """

    number: int
    uidl: bytes
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """How many messages of a long listing are looked at, at its beginning and at its end."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Lines:
    """What the lines of a listing say.

    `usable` are the messages. `unusable` is the number of lines that give no usable UIDL, and `examples` has
    the first of these lines.
    """

    usable: tuple[Listed, ...]
    unusable: int = 0
    examples: tuple[str, ...] = ()


class Listing(Sequence[Listed]):
    """The messages of a session's listing, in the server's order. They are parsed at the first access.

    `digest` identifies the listing without parsing it: the same octets give the same digest. `total` is how
    many messages the server has. `beyond` is how many of them are not looked at, because there are too many.
    Any access to the messages may raise what the parser raises.
    """

    def __init__(self, digest: bytes, total: int, parse: Callable[[], Lines], beyond: int = 0) -> None:
        self.digest = digest
        self.total = total
        self.beyond = beyond
        self._parse: Callable[[], Lines] | None = parse
        self._lines = Lines(())

    @property
    def unusable(self) -> int:
        """How many lines give no usable UIDL."""
        return self._parsed().unusable

    @property
    def examples(self) -> Sequence[str]:
        """The first of these lines, for people."""
        return self._parsed().examples

    @property
    def is_whole(self) -> bool:
        """Whether a message that is not in this listing is not on the server."""
        return not self.beyond and not self.unusable

    def renamed(self, uidls: Mapping[int, bytes]) -> Listing:
        """The same listing, with other UIDLs for some messages, by number."""
        lines = self._parsed()
        renamed = tuple(
            Listed(listed.number, uidls[listed.number], listed.size) if listed.number in uidls else listed
            for listed in lines.usable
        )
        return Listing(self.digest, self.total, lambda: replace(lines, usable=renamed), self.beyond)

    def __len__(self) -> int:
        return len(self._parsed().usable)

    def __iter__(self) -> Iterator[Listed]:
        return iter(self._parsed().usable)

    @overload
    def __getitem__(self, index: int) -> Listed: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Listed, ...]: ...
    def __getitem__(self, index: int | slice) -> Listed | tuple[Listed, ...]:
        return self._parsed().usable[index]

    def _parsed(self) -> Lines:
        if self._parse is not None:
            # The parser is let go, because it holds the server's whole answer: megabytes in a large mailbox.
            self._lines, self._parse = self._parse(), None
        return self._lines


def uidl_text(uidl: bytes) -> str:
    """A UIDL for people and JSON: ASCII characters as they are, every other octet as an escape."""
    return uidl.decode("ascii", "backslashreplace")


def is_derived(uidl: bytes) -> bool:
    """Whether we made this UIDL, for a message that shares its UIDL with another one.

    Ours have a space, which a server's UIDL must not have (RFC 1939 §7).
    """
    return b" " in uidl


class State(Enum):
    """What the ledger knows of a message (docs/crash-safety.md, column *ledger* of the table)."""

    STAGED = "staged"
    STORED = "stored"
    GONE = "gone"
    OVERSIZE = "oversize"
    """Not stored: it was larger than `max_message` when last seen, and this was reported."""
    SEEN = "seen"
    """Not stored: an administrator marked it as seen. It is never fetched and never deleted."""


@dataclass(frozen=True, slots=True)
class Known:
    """The ledger's row for one message. Its times are by the ledger's clock.

    `since` is when the message was stored, first found oversize, or marked as seen. `listed_size` is its size
    in LIST at that time. `gone_since` is when it was first missing from a listing; None while it is listed.
    `octets` is the message's size. Of an oversize message this may be only the part that came before the
    transfer was stopped. `doubt`: its UIDL may stand for another message now, and the header has to decide.
    `identified`: its identity is noted, or it is noted that the header gives none. `leaving`: the server was
    asked to delete the message.
    """

    state: State
    since: datetime
    listed_size: int | None = None
    gone_since: datetime | None = None
    octets: int | None = None
    doubt: bool = False
    identified: bool = True
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """What the ledger knew of a mailbox at one moment, as far as it matters for one listing.

    `known` and `failures` are by UIDL. `writes` is a number that every later write to these rows increases.
    `left` is how many sessions said QUIT to delete messages since there was last nothing more to delete.
    `answered` is whether the last of these got a good answer. `policy` is `leave_on_server` at the last poll,
    as text; None before the first poll.
    """

    known: Mapping[bytes, Known]
    failures: Mapping[bytes, Failure]
    writes: int = 0
    left: int = 0
    answered: bool = False
    policy: str | None = None

    @property
    def taken(self) -> frozenset[bytes]:
        """The UIDLs of messages of which an administrator wants whatever comes to be stored."""
        return frozenset(uidl for uidl, failure in self.failures.items() if failure.take)


@dataclass(frozen=True, slots=True)
class Quiet:
    """A listing that leaves nothing to do and nothing to log, until `until` by the ledger's clock.

    `digest` is a digest of everything that decided this, except the ledger's rows. `held` is how many
    messages stay for another reason than policy, by the words of `Held`.
    """

    digest: bytes
    until: datetime
    held: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a listing shows about known messages, for the ledger to note.

    `listed` are its UIDLs; they are read once, so that nobody has to make a list of 100,000. `reused` are
    those that other messages have now, and `doubtful` those that other messages may have now. `is_whole`: a
    message that is not listed is not on the server. `has_all`: there is a line for every message, though some
    lines may be unusable. `quiet` is there if the listing leaves nothing to do. `policy` is the mailbox's
    `leave_on_server`, as text.
    """

    listed: Iterable[bytes]
    reused: Collection[bytes] = ()
    doubtful: Collection[bytes] = ()
    is_whole: bool = True
    has_all: bool = True
    quiet: Quiet | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Staged:
    """A message that is whole and synced in staging, not yet visible. Made by `sink`, read back by `ledger`.

    `name` is the name that it will be published under. `size` is its octets as the server sent them, dots
    unstuffed. `identity` is what it is recognised by (`message.identity`); None if its header gives none.
    """

    uidl: bytes
    name: str
    size: int
    listed_size: int | None = None
    identity: bytes | None = None


@dataclass(frozen=True, slots=True)
class Feeder:
    """Who feeds a staging directory, and with which mailbox.

    `ledger` is the ledger's id. It is kept in `state_dir` on `host`. `section` is the mailbox's name in the
    configuration.
    """

    ledger: str
    host: str
    state_dir: str
    mailbox: MailboxKey
    section: str


@dataclass(frozen=True, slots=True)
class Where:
    """Where a mailbox's messages are staged. The ledger notes it before it records any message there.

    `sink` is the sink's spec. `sink_id` is the id that the sink itself carries, empty if it was never used.
    `mounts` are the mount points on the path to it. `place` is the id of the staging directory: a directory
    made in its place has another id. It is empty if this mailbox has no staging directory there yet, though
    other mailboxes of the ledger feed the sink. `token` is the token in the claim while messages were staged:
    whoever takes the directory writes a new one.
    """

    sink: str
    sink_id: str
    mounts: tuple[str, ...]
    place: str
    token: str = ""


class Noticed(Enum):
    """What an administrator should know about a sink that is used all the same."""

    MADE_ANEW = "the directory was made again since mail was last stored there"
    MOVED = "the ledger that feeds it is kept somewhere else now"
    SHARED = "another ledger feeds it, too"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something noticed about a sink, with its details in words."""

    kind: Noticed
    detail: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A message that is published durably: consumers find it, or already took it. Made by `sink` alone."""

    uidl: bytes
    name: str


@dataclass(frozen=True, slots=True)
class DeletePermit:
    """The proof that a message is durably stored and recorded. Made by `ledger` alone."""

    uidl: bytes


@dataclass(frozen=True, slots=True)
class SessionReport:
    """How one session went: its line in the log, and what `status` shows of it.

    `outcome` is how it ended. `detail` tells a person what went wrong. `waiting` is how many messages were
    left for the next session. `bytes` is the octets of the messages that came. `held` is how many messages
    stay on the server for another reason than policy, by the words of `Held`; None if the session did not get
    far enough to know.
    """

    mailbox: str
    started: datetime
    listed: int
    fetched: int
    stored: int
    deleted: int
    bytes: int
    seconds: float
    waiting: int
    outcome: Outcome
    detail: str
    held: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class BearerToken:
    """An OAuth 2.0 access token for `AUTH XOAUTH2`."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Password:
    """A password for `USER` and `PASS`."""

    value: str = field(repr=False)


Login = BearerToken | Password
