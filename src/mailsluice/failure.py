"""Failures: why a message could not be fetched or deleted, how often, and what it is held as.

Owns when a message is set aside. Must never decide what is tried: that is `policy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

TRIES = 3
"""A message is set aside after this many sessions in a row that count against it,"""

LONG_ENOUGH = timedelta(days=1)
"""and only if they are spread over this time, because a server may have a bad hour."""


class Why(Enum):
    """What went wrong with a message when it was last tried."""

    REFUSED = "refused"
    """The server refused it."""
    BROKE = "broke"
    """The server ended the session at this message, or sent something that POP3 does not allow."""
    REMOVED = "removed"
    """Another program removed it from staging before it could be published."""
    SUBSTITUTE = "substitute"
    """The server sent a notice in its place, which says that it cannot render the message."""
    UNRECOGNISED = "unrecognised"
    """It may be a stored message under another UIDL, and that one has no identity to recognise it by."""
    SILENT = "silent"
    """The server ended the session when the message's header was asked for."""
    UNDELETED = "undeleted"
    """It is stored, and the server ended the session when it was to be deleted."""


class Held(Enum):
    """Why a message stays on the server, if the reason is not the policy."""

    TOO_LARGE = "too-large"
    """It is larger than `max_message`."""
    REFUSED = "refused"
    """It could not be fetched when last tried, and is tried again."""
    QUARANTINED = "quarantined"
    """It could not be fetched several times, and is tried once a day."""
    SUBSTITUTE = "substitute"
    """The server sends a notice in its place."""
    UNRECOGNISED = "unrecognised"
    """It may be a stored message under another UIDL, and nothing shows whether it is."""
    UNCLEAR = "unclear"
    """It may be the stored message or another one under its UIDL, and there is no header to decide it."""
    AMBIGUOUS = "ambiguous"
    """Another message is listed under the same UIDL, and nothing tells them apart."""
    UNUSABLE = "unusable"
    """The server's listing gives it no usable UIDL."""
    UNDELETABLE = "undeletable"
    """It is stored, and the server does not delete it, or ends the session when it is to be deleted."""
    BEYOND = "beyond"
    """The mailbox has more messages than are looked at, and this is one of the others."""


BLAMED = frozenset({Why.REFUSED, Why.BROKE})
"""These count against a message if the server hands out other messages in the same session."""

WAITING = frozenset({Why.SUBSTITUTE, Why.UNRECOGNISED})
"""A message with one of these is set aside at once, and tried again after a day."""

_HELD_AS = {
    Why.SUBSTITUTE: Held.SUBSTITUTE,
    Why.UNRECOGNISED: Held.UNRECOGNISED,
    Why.SILENT: Held.UNCLEAR,
    Why.UNDELETED: Held.UNDELETABLE,
}

_LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with a message when it was last tried, at `last` (by the time of day).

    `times` counts the sessions in a row that count against the message; it is 0 if the server was at fault.
    `error` is the reason in words, `kind` its kind. `listed_size` is the message's size in LIST. `header` is
    what TOP gave after the message was held, or the text of the notice that came in its place. It is None
    before it was asked for, and empty if the server did not give it. `tried` is `last` by the ledger's clock,
    `first` is the same for the first failure in the row. `take`: an administrator wants whatever comes to be
    stored.
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
        """Whether the message is set aside: it waits for a person, or for the next day."""
        if self.kind in WAITING or self.times < TRIES:
            return self.kind in WAITING
        if self.kind is Why.REMOVED:  # no bad hour of a server does that: it need not last a day
            return True
        is_blamed = self.kind in BLAMED or self.kind is Why.UNDELETED
        return is_blamed and self.tried - self.first >= LONG_ENOUGH

    @property
    def held(self) -> Held | None:
        """What the message is held as; None if it only waits, because it was refused with many others."""
        if self.kind in _HELD_AS:
            return _HELD_AS[self.kind]
        if self.quarantined:
            return Held.QUARANTINED
        return Held.REFUSED if self.times or self.kind is Why.BROKE else None
