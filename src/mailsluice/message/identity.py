"""The identity: a digest by which one delivery of a message is recognised, wherever it is listed.

Owns which fields of a header distinguish one delivery from every other, and the versions of that choice.
Anybody can write any header. So an identity is evidence about honest messages, and never a key. Pure. Must
never decide what follows: that is `recognition`.
"""

from __future__ import annotations

import hashlib

from mailsluice.message.header import Header

CURRENT = 1
"""The version of the digest below. An identity is only compared with one that the same version made."""

_FIELDS = ("message-id", "date", "from", "to", "subject", "received")
"""Some devices use one Message-ID for ever and leave out the date. The Received lines then distinguish two
deliveries: each server on the way adds one, with the time (RFC 5321 §4.4)."""

_WHITE_SPACE = b" \t\r"
"""Left out of the digest: some servers fold lines in other places."""

_DIGEST = 16
"""Octets of the digest. That two of a billion messages share one by chance has a probability of 10^-20."""


_WEAK = 0x80
"""This bit stands beside the version if other messages may have the same header. Then only a difference
proves something: that it is another message."""


def identity(header: Header, version: int = CURRENT) -> bytes | None:
    """The header's identity in this version: one octet with the version and the strength, then the digest.

    Every copy of a delivery has the same identity, from TOP or from RETR, however its lines are folded. None
    if the header is not complete, or if this program does not know the version.
    """
    if version != CURRENT or header.truncated:
        return None
    values = [[value.translate(None, _WHITE_SPACE) for value in header.values(name)] for name in _FIELDS]
    whole = b"\n".join(b"\0".join(of_one_name) for of_one_name in values)
    kind = version if _is_distinctive(header) else version | _WEAK
    return bytes([kind]) + hashlib.sha256(whole).digest()[:_DIGEST]


def version_of(known: bytes) -> int:
    """The version that made this identity; 0 for an empty one."""
    return known[0] & ~_WEAK if known else 0


def is_strong(known: bytes) -> bool:
    """Whether no other message is likely to have this identity."""
    return bool(known) and not known[0] & _WEAK


def _is_distinctive(header: Header) -> bool:
    """Whether no other message is likely to have the same header.

    A Received line with its time is enough. Without one, there must be a Message-ID and a date: some devices
    use one Message-ID for all their messages.
    """
    if any(b";" in value for value in header.values("received")):
        return True
    return all(any(value.strip() for value in header.values(name)) for name in ("message-id", "date"))
