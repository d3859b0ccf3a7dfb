"""The bodies of CAPA, UIDL and LIST, and the reply to STAT, as values.

Owns the parsing of listings. They may be hostile. Must never trust a number, nor decode a UIDL: it is opaque
octets.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import pairwise

from mailsluice.errors import Phase, ProtocolViolation
from mailsluice.model import Lines, Listed
from mailsluice.pop3.lines import readable

# RFC 1939 §7 allows a UIDL 70 characters between 0x21 and 0x7E. Some servers keep neither limit. So any
# octets without white space are accepted, up to a length that no honest server comes near.
# These expressions search the whole body: a list of its lines would take several times the body's memory.
_UIDL_LINE = re.compile(rb"(?:\A|(?<=\r\n))([1-9][0-9]{0,9})[ \t]+(\S{1,512})[ \t]*(?:\r\n|\Z)")
_NUMBERED_LINE = re.compile(rb"(?:\A|(?<=\r\n))[1-9][0-9]{0,9}[ \t]+\S")
_LIST_LINE = re.compile(
    rb"(?:\A|(?<=\r\n))([1-9][0-9]{0,9})[ \t]+([0-9]{1,15})(?=[ \t]|\r\n|\Z)",
)
_EXAMPLES = 20
"""The most unusable lines that are shown to people."""
_STAT_TEXT = re.compile(r"([0-9]{1,10})[ \t]+([0-9]{1,15})(?![0-9])", re.ASCII)


def parse_capabilities(body: bytes) -> Mapping[str, tuple[str, ...]]:
    """Each capability, in upper case, with its arguments (RFC 2449 §3)."""
    # A CR ends a line here: another client could not log in because of a stray one (marlam/mpop#14).
    lines = (readable(line).upper().split() for line in body.replace(b"\r", b"\n").split(b"\n"))
    return {words[0]: tuple(words[1:]) for words in lines if words}


def listing_digest(uidls: bytes, sizes: bytes | None) -> bytes:
    """The digest of a listing, from the digests of UIDL's body and of LIST's; None if LIST was refused."""
    return sha256(uidls + (sizes or b"")).digest()


def parse_listing(uidls: bytes, sizes: bytes, quotable: Callable[[bytes], str] = readable) -> Lines:
    """The messages in the order of UIDL's body. Each has its size from LIST's body, or None.

    The same UIDL may come twice. A line of UIDL's body that is not `number uidl` is unusable. All lines with
    one number are unusable if the number comes twice: nobody can say which message they mean, and the wrong
    one could be deleted. Raises ProtocolViolation if no line has a message number: then it is no listing.
    Lines of LIST's body that cannot be read are ignored. Sizes are hints (estimates on Exchange Online), and
    no reason to end a session.
    """
    unusable = Unusable(quotable)
    size = _Sizes(sizes)
    listing = tuple(Listed(number, uidl, size.of(number)) for number, uidl in _uidls(uidls, unusable))
    # Numbers that only rise have no duplicates: then nothing must be counted, as on nearly every server.
    if any(one.number >= other.number for one, other in pairwise(listing)):
        listing = _without_repeated(listing, unusable)
    if unusable.count and not listing and not _NUMBERED_LINE.search(uidls):
        line = unusable.examples[0]
        raise ProtocolViolation(
            f"the server's UIDL listing has nothing but lines like {line!r}, and no message number and UIDL",
            phase=Phase.LISTING,
            reply=line,
        )
    return Lines(listing, unusable.count, tuple(unusable.examples))


class Unusable:
    """The unusable lines: how many, and the first of them to show to people."""

    def __init__(self, quotable: Callable[[bytes], str]) -> None:
        self.count = 0
        self.examples: list[str] = []
        self._quotable = quotable

    def add(self, line: bytes) -> None:
        """Count one line."""
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(self._quotable(line))


class _Sizes:
    """LIST's sizes, read side by side with UIDL's lines.

    A size is kept only if LIST's order differs from UIDL's. So an ordinary listing needs no table of sizes.
    """

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


def _uidls(body: bytes, unusable: Unusable) -> Iterator[tuple[int, bytes]]:
    end = 0
    for found in _UIDL_LINE.finditer(body):
        if found.start() != end:
            _count(body[end : found.start()], unusable)
        end = found.end()
        yield int(found[1]), found[2]
    if end < len(body):
        _count(body[end:], unusable)


def _count(lines: bytes, unusable: Unusable) -> None:
    for line in lines.removesuffix(b"\r\n").split(b"\r\n"):
        unusable.add(line)


def _without_repeated(listing: Sequence[Listed], unusable: Unusable) -> tuple[Listed, ...]:
    times = Counter(listed.number for listed in listing)
    for listed in listing:
        if times[listed.number] > 1:
            unusable.add(b"%d %b" % (listed.number, listed.uidl))
    return tuple(listed for listed in listing if times[listed.number] == 1)


def parse_stat(text: str) -> tuple[int, int]:
    """The number of messages and their octets, from STAT's reply (RFC 1939 §5). Raises ProtocolViolation."""
    found = _STAT_TEXT.match(text)
    if found is None:
        raise ProtocolViolation(
            f"the server's answer to STAT has no two numbers: {text!r}", phase=Phase.LISTING, reply=text
        )
    return int(found[1]), int(found[2])
