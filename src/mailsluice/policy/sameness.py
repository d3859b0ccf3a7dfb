"""Sameness: whether a listed message is the one that the ledger knows, as far as a listing shows.

Owns the comparison of UIDLs and sizes. Pure. Must never look at a header: `message.recognition` says what
that proves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mailsluice.model import Known, Listed, State


def is_familiar(listed: Listed, row: Known | None) -> bool:
    """Whether a listed message is the one that the ledger has under its UIDL, as far as a listing shows."""
    return row is not None and not size_differs(listed, row)


def is_another(listed: Listed, known: Known) -> bool:
    """Whether a UIDL that comes back after an absence stands for another message now.

    A recreated mailbox may count its UIDLs from the start again. A new message must not be deleted because
    an old one had its UIDL (docs/adr/0013-the-mail-is-asked-first.md).
    """
    return known.gone_since is not None and size_differs(listed, known)


def is_unsized(listed: Listed, known: Known) -> bool:
    """Whether the size of the known message is noted, and this listing gives no size to compare it with."""
    return listed.size is None and known.listed_size is not None


def size_differs(listed: Listed, known: Known) -> bool:
    """Whether LIST's size has changed. It is an estimate, but we expect the same one for the same message."""
    return sizes_differ(listed, known.listed_size)


def sizes_differ(listed: Listed, size: int | None) -> bool:
    """Whether LIST's size differs from `size`. No: if either is None, as where the server gives no sizes."""
    return None not in (listed.size, size) and listed.size != size


def listed_twice(listing: Sequence[Listed]) -> set[bytes]:
    """The UIDLs that several messages of a listing have."""
    seen: set[bytes] = set()
    twice: set[bytes] = set()
    if len({listed.uidl for listed in listing}) == len(listing):  # the usual case, and quicker to see
        return twice
    for listed in listing:
        (twice if listed.uidl in seen else seen).add(listed.uidl)
    return twice


def needs_identity(listed: Listed, known: Mapping[bytes, Known]) -> bool:
    """Whether this message is stored or marked as seen, and its identity is still to be noted.

    Not if it may be another message: then the identity of that one would be noted for the known one.
    """
    row = known.get(listed.uidl)
    if row is None or row.identified or row.state not in {State.STORED, State.SEEN}:
        return False
    return row.gone_since is None and not row.doubt and not size_differs(listed, row)
