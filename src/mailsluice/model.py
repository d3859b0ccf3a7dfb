"""The values that travel between layers: what a server lists, what is staged, stored, and may be deleted.

Owns no behaviour beyond what a value says of itself; must never do I/O.

The order of a delivery is in the types: `Staged` is made only by `sink`, after a sync (and read back by
`ledger` after a crash); `Stored` only by `sink`, once it is published durably; `DeletePermit` only by
`ledger`, for a row committed as stored; and the client deletes by permit alone. `tests/test_model.py`
keeps each constructor in its module.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import overload

from mailsluice.failure import Failure
from mailsluice.outcome import Outcome


@dataclass(frozen=True, slots=True)
class MailboxKey:
    """What makes a mailbox the same mailbox in the ledger, whatever its section is called.

    Both parts are lower case: host and address differ from their other spellings only for people.
    """

    host: str
    address: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One message of a session's listing.

    `number` holds for this session only (RFC 1939 §5). `uidl` is opaque octets. `size` is what LIST
    said: an estimate on Exchange Online, None where the server gave none; never proof of anything.
    """

    number: int
    uidl: bytes
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """How many messages of a long listing are looked at: the first ones, and the last ones."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Lines:
    """What a listing's lines say.

    `unusable` is how many of them name no message that could be told from the others, `examples` the first.
    """

    usable: tuple[Listed, ...]
    unusable: int = 0
    examples: tuple[str, ...] = ()


class Listing(Sequence[Listed]):
    """The messages of a session's listing, in the server's order: parsed when one is first asked for.

    `digest` tells it from any other listing without that: the same octets give the same digest. `total` is
    how many messages the server has, `beyond` how many of them are not looked at, for there are too many.
    Whoever asks for a message may meet what the parser raises.
    """

    def __init__(self, digest: bytes, total: int, parse: Callable[[], Lines], beyond: int = 0) -> None:
        self.digest = digest
        self.total = total
        self.beyond = beyond
        self._parse: Callable[[], Lines] | None = parse
        self._messages = Lines(())

    @property
    def unusable(self) -> int:
        """How many lines name no message that could be told from the others."""
        return self._parsed().unusable

    @property
    def examples(self) -> Sequence[str]:
        """The first of these lines, for people."""
        return self._parsed().examples

    @property
    def is_whole(self) -> bool:
        """Whether a message that is not in it is not on the server."""
        return not self.beyond and not self.unusable

    def renamed(self, uidls: Mapping[int, bytes]) -> Listing:
        """The same listing, with other UIDLs for some messages, by number."""
        messages = self._parsed()
        renamed = tuple(
            Listed(each.number, uidls[each.number], each.size) if each.number in uidls else each
            for each in messages.usable
        )
        return Listing(self.digest, self.total, lambda: replace(messages, usable=renamed), self.beyond)

    def __len__(self) -> int:
        return len(self._parsed().usable)

    def __iter__(self) -> Iterator[Listed]:
        return iter(self._parsed().usable)

    @overload
    def __getitem__(self, place: int) -> Listed: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Listed, ...]: ...
    def __getitem__(self, place: int | slice) -> Listed | tuple[Listed, ...]:
        return self._parsed().usable[place]

    def _parsed(self) -> Lines:
        if self._parse is not None:
            self._messages, self._parse = self._parse(), None
        return self._messages


def uidl_text(uidl: bytes) -> str:
    """A UIDL for people and JSON: ASCII, every other octet as an escape."""
    return uidl.decode("ascii", "backslashreplace")


def is_derived(uidl: bytes) -> bool:
    """Whether the UIDL is one of ours, for a message that shares the server's: no server's has a space."""
    return b" " in uidl


class State(Enum):
    """What the ledger knows of a message (crash table, column *ledger*)."""

    STAGED = "staged"
    STORED = "stored"
    GONE = "gone"
    OVERSIZE = "oversize"
    """Not stored: larger than `max_message` when last seen; reported already."""
    SEEN = "seen"
    """Not stored: an administrator said that it is to stay where it is, never fetched and never deleted."""


@dataclass(frozen=True, slots=True)
class Known:
    """The ledger's row for one message, its times by the ledger's clock.

    `since` is when it was stored (or first found oversize, or marked as seen). `listed_size` is what LIST
    said then. `gone_since` is when it was first missing from a listing, None while it is there. `octets` is
    how large it is, of an oversize message at least. `doubt`: whether it still is this message, its header is
    to say. `identified`: what its header is known again by is noted, or that it tells nothing. `leaving`: the
    server was asked to delete it.
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
    """What the ledger knows of a mailbox that matters beside one listing, as it was at one moment.

    `known` and `failures` are by UIDL. `writes` tells whether any of it was written since. `left` is how
    often QUIT was said since all was gone that was to be deleted, `answered` whether it was answered well the
    last time. `policy` is what the mailbox left on the server when it was last polled, in words; None before
    it was.
    """

    known: Mapping[bytes, Known]
    failures: Mapping[bytes, Failure]
    writes: int = 0
    left: int = 0
    answered: bool = False
    policy: str | None = None

    @property
    def taken(self) -> frozenset[bytes]:
        """The UIDLs of what an administrator wants stored as it comes."""
        return frozenset(uidl for uidl, failure in self.failures.items() if failure.take)


@dataclass(frozen=True, slots=True)
class Quiet:
    """That a listing leaves nothing to do or to say, until then by the ledger's clock.

    `digest` is that of all that decided so, but for what the ledger knows. `held` is how many messages stay
    for another reason than policy, by the words of `Held`.
    """

    digest: bytes
    until: datetime
    held: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a listing tells of known messages, for the ledger to note.

    `listed` are its UIDLs. Other messages have those that are `reused`, and may have those that are
    `doubtful`. `is_whole`: a message that is not in it is not on the server. `has_all`: it has a line for
    every message, though some may be unusable. `quiet`, if it leaves nothing to do. `policy` is what the
    mailbox leaves on the server, in words.
    """

    listed: Collection[bytes]
    reused: Collection[bytes] = ()
    doubtful: Collection[bytes] = ()
    is_whole: bool = True
    has_all: bool = True
    quiet: Quiet | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Staged:
    """A message whole and synced in staging, not yet visible. Made by `sink`, read back by `ledger`.

    `name` is the name it will be published under; `size` the octets as the server sent them, unstuffed;
    `identity` what its header is known again by (`identity`).
    """

    uidl: bytes
    name: str
    size: int
    listed_size: int | None = None
    identity: bytes | None = None


@dataclass(frozen=True, slots=True)
class Feeder:
    """Who feeds a staging directory: a ledger, by its id, where it is kept, and the mailbox it feeds it with.

    `section` is what the mailbox is called in the configuration.
    """

    ledger: str
    host: str
    state_dir: str
    mailbox: MailboxKey
    section: str


@dataclass(frozen=True, slots=True)
class Where:
    """Where a mailbox's messages are staged, as the ledger notes it before any message is.

    `sink` is the sink's spec, `sink_id` the id that the sink itself carries, empty if it was never used.
    `mounts` are the mount points on the way to it. `place` is the id of the staging directory: another
    directory in its stead has another. Empty where this mailbox has none yet, though others of the ledger
    feed the sink. `token` is what stood in its claim while messages were staged: whoever takes the
    directory writes another.
    """

    sink: str
    sink_id: str
    mounts: tuple[str, ...]
    place: str
    token: str = ""


class Noticed(Enum):
    """What an administrator should hear about a sink that goes on all the same."""

    MADE_ANEW = "the directory was made anew since mail was last stored there"
    MOVED = "the ledger that feeds it is kept elsewhere now"
    SHARED = "another ledger feeds it, too"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something noticed about a sink, and what there is to say of it."""

    kind: Noticed
    detail: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A message published: consumers find it, durably, or took it by now. Made by `sink` alone."""

    uidl: bytes
    name: str


@dataclass(frozen=True, slots=True)
class DeletePermit:
    """The proof that a message is durably stored and recorded. Made by `ledger` alone."""

    uidl: bytes


@dataclass(frozen=True, slots=True)
class SessionReport:
    """How one session went: its line in the log, and what `status` shows of it.

    `outcome` says how it ended, and `detail` what went wrong, to a person. `waiting` is
    how many messages were left for the next session; `bytes` is what came from the server. `held` is how
    many messages stay on the server for another reason than policy, by the words of `Held`; None if the
    session did not come to know.
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
