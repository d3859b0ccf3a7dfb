"""Recognition: whether a listed message is one that the ledger has.

Owns what a header proves. It is asked before anything that cannot be undone: before a late deletion, for a
UIDL that may mean another message, after the ledger may have lost rows, and for a renamed mailbox. Pure. Must
never decide what follows from the answer: that is `policy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mailsluice.message.header import Header
from mailsluice.message.identity import identity, is_strong, version_of


class Verdict(Enum):
    """What a message's header proves."""

    SAME = "it is the stored message"
    OTHER = "it is another message"
    UNDECIDED = "the header proves neither"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a stored message is recognised by. `alone`: no other message of its mailbox has this identity."""

    identity: bytes
    alone: bool = True

    @property
    def proves(self) -> bool:
        """Whether a message with this identity must be this one."""
        return self.alone and is_strong(self.identity)


def recognise(header: Header, known: Evidence | None) -> Verdict:
    """Whether this is the header of the message that `known` was read from.

    `known` is None if the ledger has no identity of that message. The header is read by `known`'s version. A
    different identity always proves another message. The same identity proves nothing if the mailbox had it
    twice, or if it is weak.
    """
    if known is None:
        return Verdict.UNDECIDED
    found = identity(header, version_of(known.identity))
    if found is None:
        return Verdict.UNDECIDED
    if found != known.identity:
        return Verdict.OTHER
    return Verdict.SAME if known.proves else Verdict.UNDECIDED
