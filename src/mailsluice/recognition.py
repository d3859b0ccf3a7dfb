"""Recognition: whether a listed message is one that the ledger has.

Owns what a header proves. Pure. Must never decide what follows from it: that is `policy`. Whoever asks the
mail before doing what cannot be undone asks here: before a late deletion, for a UIDL that may mean another
message, after the ledger may have forgotten, for a mailbox under another name.
"""

from __future__ import annotations

from enum import Enum

from mailsluice.header import Header
from mailsluice.identity import identity, version_of


class Verdict(Enum):
    """What a message's header says of it."""

    SAME = "it is the stored message"
    OTHER = "it is another message"
    UNDECIDED = "nothing tells"


def recognise(header: Header, known: bytes | None) -> Verdict:
    """Whether this is the header of the message whose identity is `known`.

    `known` is None where there is none that proves anything: the mailbox had it twice, or the header had
    nothing to tell by. The header is read as the version of `known` reads it.
    """
    if known is None:
        return Verdict.UNDECIDED
    told = identity(header, version_of(known))
    if told is None:
        return Verdict.UNDECIDED
    return Verdict.SAME if told == known else Verdict.OTHER
