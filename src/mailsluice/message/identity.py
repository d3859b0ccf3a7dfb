"""The identity: what one delivery of a message is known again by, wherever it is listed.

Owns which fields of a header tell one delivery from every other, and the versions of that reading. Pure.
Must never decide what follows: that is `recognition`. Anybody can write any header, so an identity is
evidence about messages that are honest, and never a key.
"""

from __future__ import annotations

import hashlib

from mailsluice.message.header import Header

CURRENT = 1
"""The version of the reading below. An identity is compared with what its own version reads of a header."""

_FIELDS = ("message-id", "date", "from", "to", "subject", "received")
"""Devices repeat a Message-ID for ever and leave the date out; the Received lines tell two deliveries apart
(RFC 5321 §4.4: each server on the way adds one, with the time)."""

_WHITE_SPACE = b" \t\r"
"""No part of it: some servers fold lines anew."""

_DIGEST = 16
"""Octets of the digest: two of a billion messages share one by chance with odds of 1 to 10^20."""


_WEAK = 0x80
"""Stands beside the version where other messages may have the same header: a difference still tells."""


def identity(header: Header, version: int = CURRENT) -> bytes | None:
    """The header's identity, as this version reads it: in one octet its version and strength, and a digest.

    Every copy of a delivery has the same one, by TOP as by RETR, however its lines are folded. None where
    the header is not all there; and for a version that this program does not know.
    """
    if version != CURRENT or header.truncated:
        return None
    values = [[value.translate(None, _WHITE_SPACE) for value in header.values(name)] for name in _FIELDS]
    whole = b"\n".join(b"\0".join(of_one_name) for of_one_name in values)
    kind = version if _tells(header) else version | _WEAK
    return bytes([kind]) + hashlib.sha256(whole).digest()[:_DIGEST]


def version_of(known: bytes) -> int:
    """The version that read this identity."""
    return known[0] & ~_WEAK if known else 0


def is_strong(known: bytes) -> bool:
    """Whether no other message is likely to have this identity."""
    return bool(known) and not known[0] & _WEAK


def _tells(header: Header) -> bool:
    """Whether no other message is likely to have the same header.

    A Received line with its time tells. Where no server has left one, a Message-ID must come with a date: the
    Message-ID alone may be a device's, the same for all its messages.
    """
    if any(b";" in value for value in header.values("received")):
        return True
    return all(any(value.strip() for value in header.values(name)) for name in ("message-id", "date"))
