"""Servers whose messages are hard to read: octets that others choke on, dots, borders, and ends that are none."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hostile.case import MAIL, QUICK, Case, letter, once
from mailsluice_sandbox import Close, Drip, Fault, Garbage, Hangup, Rewrite
from mailsluice_sandbox.faults import When
from mailsluice_sandbox.transaction import stuffed

LATE = "deadline-exceeded"
RECORD = 16 * 1024
"""Octets of a TLS record, which is what the client reads at once."""


def _holding(name: str, *messages: bytes) -> Case:
    """The server has these messages, and sends them as it should."""
    return Case(f"has a message with {name}", ("ok",), mail=messages, stored=len(messages))


_OCTETS = (
    _holding("NUL", b"Subject: \0\r\n\r\na\0b\r\n"),
    _holding("8-bit octets", b"Subject: \xff\xfe\r\n\r\n" + bytes(range(128, 256)) + b"\r\n"),
    _holding("every octet there is", bytes(range(256)) * 100 + b"\r\n"),
    _holding("bare LFs", b"Subject: x\n\nbody\n\nmore\n\r\n"),
    _holding("bare CRs", b"Subject: x\r\rbody\r\r\n\r\r\r\n"),
    _holding("a dot between bare LFs", b"Subject: x\r\n\r\na\n.\nb\n.\r\nc\r\n"),
    _holding("a dot between bare CRs", b"Subject: x\r\n\r\na\r.\rb\r.\r\nc\r\n"),
    _holding("nothing but dots", b".\r\n..\r\n...\r\n.\r\n", b"." * 5000 + b"\r\n"),
    _holding("nothing but a line end", b"\r\n"),
    _holding(
        "terminal escapes in its header", b"Subject: \x1b]0;x\x07\x1b[2J\r\nFrom: \x1b[8m\r\n\r\n\x1bc\r\n"
    ),
    _holding(
        "a header of one field folded 10,000 times", b"Subject: x\r\n" + b" x\r\n" * 10_000 + b"\r\n\r\n"
    ),
    _holding("an answer of POP3's in it", b"+OK\r\n-ERR\r\n.\r\n+OK\r\n\r\n+OK bye\r\n"),
)


def _cut(place: int) -> Rewrite:
    return Rewrite(lambda answer: [part for part in (answer[:place], answer[place:]) if part])


def _uidl(number: int) -> bytes:
    return b"u%d" % number


def _cut_everywhere() -> Case:
    """As many messages as there are places to cut one, each cut at its own."""
    body = b"a\r\n.\r\n..\r\n\n.\r\r\n.b\r\n%03d\r\n.\r\n"
    wire = b"+OK\r\n%b.\r\n" % stuffed(body % 0)
    places = range(1, len(wire))
    return Case(
        "cuts its messages in two, each at another place",
        ("ok",),
        faults=tuple(Fault("RETR", _cut(place), uidl=_uidl(place)) for place in places),
        mail=tuple(body % place for place in places),
        uidls=tuple(_uidl(place) for place in places),
        stored=len(places),
    )


def _ending_around_a_record() -> Case:
    sizes = range(RECORD - 12, RECORD + 3)
    return Case(
        "has messages that end around the border of a TLS record",
        ("ok",),
        mail=tuple(b"%06d" % size + b"x" * (size - 8) + b"\r\n" for size in sizes),
        stored=len(sizes),
    )


def _dots_around_records() -> Case:
    """Lines of a dot alone, so that every border of a record falls upon one."""
    return Case(
        "has messages of dots that cross the borders of TLS records",
        ("ok",),
        mail=tuple(b"x" * shift + b"\r\n" + b".\r\n" * 10_000 for shift in range(4)),
        stored=4,
    )


def _sized(octets: int) -> Callable[[bytes], Iterable[bytes]]:
    return lambda answer: [answer[start : start + octets] for start in range(0, len(answer), octets)]


SESSION: tuple[When, ...] = ("GREETING", "CAPA", "USER", "LOGIN", "UIDL", "LIST", "RETR", "DELE", "QUIT")

_BORDERS = (
    _cut_everywhere(),
    _ending_around_a_record(),
    _dots_around_records(),
    *(
        Case(
            f"sends messages {octets} octets at a time",
            ("ok",),
            faults=(Fault("RETR", Rewrite(_sized(octets)), times=None),),
            mail=tuple(letter(number, octets=2000) for number in range(3)),
            stored=3,
        )
        for octets in (1, 3, 5)
    ),
    Case(
        "says everything octet by octet",
        ("ok",),
        faults=tuple(Fault(when, Drip(), times=None) for when in SESSION),
        stored=3,
    ),
)


def _ending(name: str, octets: bytes, outcome: str = LATE, **facts: object) -> Case:
    """The first message is sent like this, and then nothing more."""
    return Case(
        f"ends a message {name}",
        (outcome,),
        faults=once("RETR", Garbage(b"+OK\r\n" + octets)),
        deadlines=QUICK,
        within=QUICK.retrieve,
        **facts,  # type: ignore[arg-type]
    )


_ENDS = (
    _ending("without a line end before the dot", b"Subject: x\r\n\r\nbody.\r\n", always=True),
    _ending("by a dot after a bare LF", b"Subject: x\r\n\r\nbody\n.\r\n", always=True),
    _ending("by a dot before a bare LF", b"Subject: x\r\n\r\nbody\r\n.\n"),
    _ending("by bare LFs", b"Subject: x\n\nbody\n.\n"),
    _ending("by bare CRs", b"Subject: x\r\rbody\r.\r"),
    _ending("by a dot and a space", b"Subject: x\r\n\r\nbody\r\n. \r\n"),
    _ending("before it began", b".\r\n", "messages-refused", stored=2),
    _ending(
        "in its middle, with a dot that it should have stuffed", b"a\r\n.\r\nb\r\n.\r\n", "protocol-violation"
    ),
    _ending("twice", b"a\r\n.\r\n.\r\n", "protocol-violation"),
    Case(
        "does not stuff a dot",
        ("ok",),
        faults=once("RETR", Garbage(b"+OK\r\n.a\r\n..b\r\n.\r\n")),
        kept=(b"a\r\n.b\r\n", *MAIL[1:]),
        stored=3,
    ),
    Case(
        "hands out a message whole, and closes without TLS's notice",
        ("connection-lost",),
        faults=once("RETR", Close(Hangup.FIN, after_octets=10_000)),
        stored=1,
    ),
)

CASES = (*_OCTETS, *_BORDERS, *_ENDS)
