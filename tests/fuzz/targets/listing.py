"""Bodies and listings: framed and parsed as the slow way does, in linear time, with no error but one."""

from __future__ import annotations

from fuzz.feed import Feed, cut, is_measured, swollen, unstuffed, within_seconds
from mailsluice.errors import ProtocolViolation
from mailsluice.pop3.lines import DotUnstuffer, readable
from mailsluice.pop3.listing import parse_capabilities, parse_listing, parse_stat

PARTED = b"\xff\xff"
SEEDS = (
    b"\x00\x00\x00\x001 a\r\n3 b\r\n2 c\r\n\xff\xff2 20\r\n1 10\r\n4 40\r\n1 11\r\n",
    b"\x20\x40\x60\x801 a\r\n2 b\r\n.\r\nrest",
    b"\x01\x02\x03\x04..a\r\n...\r\n.\rb\n.\n\r\n\r\n.\r\n",
    b"\x00\x00\x00\x001 100\r\n2 -5\r\n3 1e9\r\n1234567890 123456789012345 x\r\n",
    b"\x00\x00\x00\x0010\t\x80\xff!\t \r\n10 b\r\n",
    b"\x00\x00\x00SASL PLAIN XOAUTH2\r\nPIPELINING\n\r\r\nTOP \r\n",
    b"\x00\x00\x0012 345 and more",
    b"\x00\x00\x00\x001 " + b"u" * 512 + b"\r\n",
    b"\x00\x00\x00\x001 " + b"u" * 513 + b"\r\n",
)
WORDS = (
    b"\r\n.\r\n",
    b"\r\n..",
    b"\r\n",
    b"1 ",
    b" \t",
    b"1234567890",
    b"123456789012345",
    b"\x0b",
    b"\n.\n",
)
_DIGITS = frozenset(b"0123456789")
_BLANK = b" \t"
_SPACE = frozenset(b" \t\r\n\x0b\x0c")


def check(data: bytes) -> None:
    feed = Feed(data)
    places, wire = feed.take(4), feed.rest()
    _check_framing(wire, places)
    _check_parsers(wire)
    if is_measured(data):
        long = swollen(wire, 256 * 1024)
        within_seconds(5, lambda: _parse_all(long))


def _check_framing(wire: bytes, places: bytes) -> None:
    unstuffer, plain, rest = DotUnstuffer(), b"", b""
    for piece in cut(wire, places):
        if unstuffer.ended:
            rest += piece
            continue
        certain, end = unstuffer.feed(piece)
        plain += certain
        rest = piece[end:]
        assert len(unstuffer._carry) <= 4
    body, ended, after = unstuffed(wire)
    assert (unstuffer.ended, rest) == (ended, after)
    if ended:
        assert plain == body
    else:
        tail = wire[len(wire) - len(unstuffed(wire)[2]) :]
        assert (body + tail).startswith(plain) or plain.startswith(body)


def _parse_all(body: bytes) -> None:
    parse_capabilities(body)
    for parse in (lambda: parse_listing(body, body), lambda: parse_stat(readable(body))):
        try:
            parse()
        except ProtocolViolation as error:
            assert error.reply.isprintable()


def _check_parsers(wire: bytes) -> None:
    """UIDL's body and LIST's, parted by two octets, or one body for both."""
    body, parted, other = wire.partition(PARTED)
    every = [_uidl(line) for line in _lines(body)]
    sizes = [pair for pair in map(_size, _lines(other if parted else body)) if pair]
    numbers = [pair[0] for pair in every if pair]
    uidls = [pair for pair in every if pair and numbers.count(pair[0]) == 1]
    try:
        listing = parse_listing(body, other if parted else body)
    except ProtocolViolation as error:
        assert every
        assert not uidls
        assert error.reply.isprintable()
        assert str(error).isprintable()
    else:
        assert [(listed.number, listed.uidl) for listed in listing.usable] == uidls
        assert listing.unusable == len(every) - len(uidls)
        assert all(example.isprintable() for example in listing.examples)
        for listed in listing.usable:
            given = [size for number, size in sizes if number == listed.number]
            assert listed.size in given or (listed.size is None and not given)
    for word, arguments in parse_capabilities(body).items():
        assert " ".join((word, *arguments)).isprintable()


def _lines(body: bytes) -> list[bytes]:
    return body.removesuffix(b"\r\n").split(b"\r\n") if body else []


def _number(digits: bytes, longest: int) -> int | None:
    return int(digits) if 0 < len(digits) <= longest and set(digits) <= _DIGITS else None


def _split(line: bytes) -> tuple[bytes, bytes]:
    """The first word, and what follows the blanks after it."""
    end = next((place for place, octet in enumerate(line) if octet in _BLANK), len(line))
    return line[:end], line[end:].lstrip(_BLANK)


def _uidl(line: bytes) -> tuple[int, bytes] | None:
    first, rest = _split(line)
    number, uidl = _number(first, 10), rest.rstrip(_BLANK)
    if number is None or first.startswith(b"0") or set(uidl) & _SPACE or not 0 < len(uidl) <= 512:
        return None
    return number, uidl


def _size(line: bytes) -> tuple[int, int] | None:
    first, rest = _split(line)
    number, size = _number(first, 10), _number(_split(rest)[0], 15)
    return None if number is None or size is None or first.startswith(b"0") else (number, size)
