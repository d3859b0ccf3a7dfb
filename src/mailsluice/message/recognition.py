"""Recognition: whether a listed message is one that the ledger has.

Owns what a header proves. Pure. Must never decide what follows from it: that is `policy`. Whoever asks the
mail before doing what cannot be undone asks here: before a late deletion, for a UIDL that may mean another
message, after the ledger may have forgotten, for a mailbox under another name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mailsluice.message.header import Header
from mailsluice.message.identity import identity, is_strong, version_of


class Verdict(Enum):
    """What a message's header says of it."""

    SAME = "it is the stored message"
    OTHER = "it is another message"
    UNDECIDED = "nothing tells"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a stored message is known again by. `alone`: no other message of its mailbox has the same."""

    identity: bytes
    alone: bool = True

    @property
    def proves(self) -> bool:
        """Whether a message of this identity must be this one."""
        return self.alone and is_strong(self.identity)


def recognise(header: Header, known: Evidence | None) -> Verdict:
    """Whether this is the header of the message that `known` was read from.

    `known` is None where nothing is known of that. The header is read as the version of `known` reads it. An
    identity that the mailbox had twice, or of a header with nothing to tell by, does not prove that this is
    the one; an identity that differs is always another message's.
    """
    if known is None:
        return Verdict.UNDECIDED
    told = identity(header, version_of(known.identity))
    if told is None:
        return Verdict.UNDECIDED
    if told != known.identity:
        return Verdict.OTHER
    return Verdict.SAME if known.proves else Verdict.UNDECIDED
