"""The bodies of CAPA, UIDL and LIST, as values.

Owns the parsing of listings, on bytes that anybody may have made. Must never trust a number, nor decode a
UIDL: it is opaque octets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import pairwise

from mailsluice.errors import Phase, ProtocolViolation
from mailsluice.model import Listed
from mailsluice.pop3.lines import readable

# RFC 1939 §7 allows a UIDL 70 characters between 0x21 and 0x7E. Servers have gone beyond both, so any octets
# without white space will do, up to a length that no honest server comes near.
_UIDL_LINE = re.compile(rb"([1-9][0-9]{0,9})[ \t]+(\S{1,1024})[ \t]*(?:\r\n|\Z)")
_LIST_LINE = re.compile(
    rb"(?:\A|(?<=\r\n))([1-9][0-9]{0,9})[ \t]+([0-9]{1,15})(?=[ \t]|\r\n|\Z)",
)
_STAT_TEXT = re.compile(r"([0-9]{1,10})[ \t]+([0-9]{1,15})(?![0-9])", re.ASCII)


def parse_capabilities(body: bytes) -> Mapping[str, tuple[str, ...]]:
    """Each capability, upper case, with its arguments (RFC 2449 §3)."""
    lines = (readable(line).upper().split() for line in body.replace(b"\r", b"\n").split(b"\n"))
    return {words[0]: tuple(words[1:]) for words in lines if words}


def listing_digest(uidls: bytes, sizes: bytes | None) -> bytes:
    """What tells the bodies of UIDL and LIST from all others, and a refused LIST from an empty one."""
    digest = sha256(b"%d " % len(uidls) + (b"" if sizes is None else b"and sizes "))
    digest.update(uidls)
    digest.update(sizes or b"")
    return digest.digest()


def count_listing(uidls: bytes) -> int:
    """How many messages UIDL's body has, if it has nothing else: one in a line."""
    return uidls.count(b"\n")


def parse_listing(
    uidls: bytes, sizes: bytes, quotable: Callable[[bytes], str] = readable
) -> tuple[Listed, ...]:
    """The messages of UIDL's body in its order, each with the size that LIST's body has for it, if any.

    Raises ProtocolViolation, with the line made `quotable`, for one of UIDL's that is not `number uidl` and
    for a number that comes twice: who cannot be sure which message is which must not delete any. The same
    UIDL may come twice. Lines of LIST's that make no sense are passed over: sizes are hints (estimates on
    Exchange Online), not worth a session.
    """
    size = _Sizes(sizes)
    listing = tuple(Listed(number, uidl, size.of(number)) for number, uidl in _uidls(uidls, quotable))
    if any(one.number >= other.number for one, other in pairwise(listing)):
        _refuse_repeated(listing)
    return listing


class _Sizes:
    """LIST's sizes, read along with UIDL's lines: what servers list in one order is never kept."""

    def __init__(self, body: bytes) -> None:
        self._coming = ((int(found[1]), int(found[2])) for found in _LIST_LINE.finditer(body))
        self._passed: dict[int, int] = {}

    def of(self, number: int) -> int | None:
        if number not in self._passed:
            for other, size in self._coming:
                if other == number:
                    return size
                self._passed[other] = size
        return self._passed.get(number)


def _uidls(body: bytes, quotable: Callable[[bytes], str]) -> Iterator[tuple[int, bytes]]:
    end = 0
    for found in _UIDL_LINE.finditer(body):
        if found.start() != end:
            break
        end = found.end()
        yield int(found[1]), found[2]
    if end < len(body):
        line = body[end:].partition(b"\r\n")[0]
        raise _malformed("a line that is no message number and UIDL", quotable(line))


def _refuse_repeated(listing: Sequence[Listed]) -> None:
    seen: set[int] = set()
    for listed in listing:
        if listed.number in seen:
            raise _malformed("the same message number twice", str(listed.number))
        seen.add(listed.number)


def parse_stat(text: str) -> tuple[int, int]:
    """The number of messages and their octets, from STAT's reply (RFC 1939 §5). Raises ProtocolViolation."""
    found = _STAT_TEXT.match(text)
    if found is None:
        raise ProtocolViolation(
            f"the server's answer to STAT has no two numbers: {text!r}", phase=Phase.LISTING, reply=text
        )
    return int(found[1]), int(found[2])


def _malformed(what: str, shown: str) -> ProtocolViolation:
    return ProtocolViolation(
        f"the server's UIDL listing has {what}: {shown!r}", phase=Phase.LISTING, reply=shown
    )
