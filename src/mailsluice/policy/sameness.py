"""Sameness: whether a listed message is the one that the ledger knows, as far as a listing tells.

Owns the comparison of UIDLs and sizes. Pure. Must never ask for more: what a header proves is
`message.recognition`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mailsluice.model import Known, Listed, State


def is_familiar(listed: Listed, row: Known | None) -> bool:
    """Whether a listed message is the one that the ledger has under its UIDL, as far as a listing tells."""
    return row is not None and not size_differs(listed, row)


def is_another(listed: Listed, known: Known) -> bool:
    """Whether a UIDL that comes back after an absence names another message.

    A recreated mailbox may count its UIDLs anew, and deleting a message for the sake of its namesake
    would lose it (docs/adr/0013-the-mail-is-asked-first.md).
    """
    return known.gone_since is not None and size_differs(listed, known)


def is_unsized(listed: Listed, known: Known) -> bool:
    """Whether a size would tell whether this is the message known, and this listing gives none."""
    return listed.size is None and known.listed_size is not None


def size_differs(listed: Listed, known: Known) -> bool:
    """Whether LIST tells them apart: its sizes are estimates, but always the same for one message."""
    return sizes_differ(listed, known.listed_size)


def sizes_differ(listed: Listed, size: int | None) -> bool:
    """The same for a size that was noted; None if none was."""
    return None not in (listed.size, size) and listed.size != size


def listed_twice(listing: Sequence[Listed]) -> set[bytes]:
    """The UIDLs that several messages of a listing have."""
    seen: set[bytes] = set()
    twice: set[bytes] = set()
    if len({listed.uidl for listed in listing}) == len(listing):
        return twice
    for listed in listing:
        (twice if listed.uidl in seen else seen).add(listed.uidl)
    return twice


def needs_identity(listed: Listed, known: Mapping[bytes, Known]) -> bool:
    """Whether this message is done with, and nothing is noted that it would be known again by.

    Not of one that may be another message than the one known: what its header says would be noted of that.
    """
    row = known.get(listed.uidl)
    if row is None or row.identified or row.state not in {State.STORED, State.SEEN}:
        return False
    return row.gone_since is None and not row.doubt and not size_differs(listed, row)
