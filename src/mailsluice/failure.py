"""The failures: why a message could not be had, how often, and what it is held as.

Owns when a message is set aside. Must never decide what is tried: that is `policy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

TRIES = 3
"""So many sessions that speak against a message, with none between that fetched it, set it aside,"""

LONG_ENOUGH = timedelta(days=1)
"""if they are spread over so much: a server may have a bad hour."""


class Why(Enum):
    """Why a message could not be had when last tried."""

    REFUSED = "refused"
    """The server refused it."""
    BROKE = "broke"
    """The server broke off the session at it, or sent what POP3 does not allow."""
    REMOVED = "removed"
    """Another program removed it from staging before it could be published."""
    SUBSTITUTE = "substitute"
    """The server handed out a notice in its place, which says that it cannot render it."""
    UNRECOGNISED = "unrecognised"
    """It may be a stored one under another UIDL, that has nothing to be known again by."""
    SILENT = "silent"
    """The server broke off the session when its header was asked for."""
    UNDELETED = "undeleted"
    """It is stored; the server broke off the session when it was to be deleted."""


class Held(Enum):
    """Why a message stays on the server for another reason than policy."""

    TOO_LARGE = "too-large"
    """It is larger than `max_message`."""
    REFUSED = "refused"
    """It could not be fetched when last tried, and is tried again."""
    QUARANTINED = "quarantined"
    """It could not be fetched several times, and is tried once a day."""
    SUBSTITUTE = "substitute"
    """The server hands out a notice in its place."""
    UNRECOGNISED = "unrecognised"
    """It may be a stored one under another UIDL, and nothing tells."""
    UNCLEAR = "unclear"
    """It may be the stored one or another under its UIDL, and its header is not told."""
    AMBIGUOUS = "ambiguous"
    """Another one is listed under the same UIDL, and nothing tells them apart."""
    UNUSABLE = "unusable"
    """The server's listing gives it no UIDL that can be used."""
    UNDELETABLE = "undeletable"
    """It is stored, and the server ends the session when it is to be deleted."""
    BEYOND = "beyond"
    """The mailbox has more messages than are looked at."""


BLAMED = frozenset({Why.REFUSED, Why.BROKE})
"""What speaks against a message, if the server hands out others."""

WAITING = frozenset({Why.SUBSTITUTE, Why.UNRECOGNISED})
"""What is set aside at once, and looked at again after a day."""

_HELD_AS = {
    Why.SUBSTITUTE: Held.SUBSTITUTE,
    Why.UNRECOGNISED: Held.UNRECOGNISED,
    Why.SILENT: Held.UNCLEAR,
    Why.UNDELETED: Held.UNDELETABLE,
}

_LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that could not be had when last tried, at `last` (by the time of day).

    `times` counts the sessions in a row that speak against the message; 0 if they speak against its
    server. `error` is the reason in words, `kind` its kind. `listed_size` is what LIST said of it.
    `header` is what TOP told of it once it was held, or the text of the notice that came in its place:
    None before it was asked, empty where it would not say. `tried` is `last` by the ledger's clock,
    `first` the same of the first failure in a row. `take`: an administrator wants it stored as it comes.
    """

    times: int
    last: datetime
    error: str
    listed_size: int | None = None
    header: bytes | None = None
    kind: Why = Why.REFUSED
    tried: datetime = _LONG_AGO
    take: bool = False
    first: datetime = _LONG_AGO

    @property
    def quarantined(self) -> bool:
        """Whether it is set aside: it waits for a person, or for the next day."""
        if self.kind in WAITING or self.times < TRIES:
            return self.kind in WAITING
        if self.kind is Why.REMOVED:
            return True
        is_blamed = self.kind in BLAMED or self.kind is Why.UNDELETED
        return is_blamed and self.tried - self.first >= LONG_ENOUGH

    @property
    def held(self) -> Held | None:
        """What the message is held as, if it is: what was refused with many others only waits."""
        if self.kind in _HELD_AS:
            return _HELD_AS[self.kind]
        if self.quarantined:
            return Held.QUARANTINED
        return Held.REFUSED if self.times or self.kind is Why.BROKE else None
