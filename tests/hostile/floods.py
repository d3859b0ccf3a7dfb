"""Servers that never end, or send far more than anybody asked for."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterable, Iterator

from hostile.case import MAIL, PATIENT, Case, letter, once
from mailsluice.message.header import LIMIT
from mailsluice_sandbox import Fault, Garbage, Rewrite

VIOLATION = "protocol-violation"
MANY = 100_000
"""The most messages that a listing may have."""
BIG = 10 * 2**20
"""Octets of a line of 10 MB."""


def counting(line: bytes) -> Rewrite:
    """A listing without end; `line` has a place for the message's number."""

    def pieces(_answer: bytes) -> Iterator[bytes]:
        yield b"+OK\r\n"
        for start in itertools.count(1, 1000):
            yield b"".join([line % number for number in range(start, start + 1000)])

    return Rewrite(pieces)


def listed(line: Callable[[int], bytes], messages: int) -> Rewrite:
    """A listing of so many messages."""
    lines = b"".join([line(number) + b"\r\n" for number in range(1, messages + 1)])
    return Rewrite(lambda _answer: [b"+OK\r\n", lines, b".\r\n"])


def repeated(first: bytes, again: bytes) -> Rewrite:
    """`first`, and then `again` for ever."""
    return Rewrite(lambda _answer: itertools.chain([first], itertools.repeat(again)))


def in_tiny_records(answer: bytes) -> Iterable[bytes]:
    """Two octets a TLS record: each costs its reader a record's work, and whatever it keeps of a piece."""
    return (answer[at : at + 2] for at in range(0, len(answer), 2))


def repeated_in_tiny_records(line: bytes) -> Rewrite:
    return Rewrite(lambda _: itertools.chain([b"+OK\r\n"], itertools.cycle(in_tiny_records(line))))


def _line_of_10_mb(when: str, word: str, outcome: str, *, ends: bytes = b"\r\n", stored: int = 0) -> Case:
    return Case(
        f"answers {word} with a line of 10 MB",
        (outcome,),
        faults=once(
            when, Rewrite(lambda _answer: [b"+OK\r\n" if ends != b"\r\n" else b"+OK ", b"x" * BIG, ends])
        ),
        stored=stored,
    )


_ENDLESS = (
    Case(
        "greets without end",
        (VIOLATION,),
        faults=once("GREETING", Garbage(b"+OK" + b"x" * 1000, endless=True)),
    ),
    Case(
        "greets again and again",
        (VIOLATION, "login-refused", "connection-lost"),
        faults=once("GREETING", Garbage(b"+OK ready\r\n" * 100, endless=True)),
    ),
    Case("says without end what it can do", (VIOLATION,), faults=once("CAPA", counting(b"X-%d\r\n"))),
    Case(
        "asks for another answer to each answer",
        ("login-refused",),
        faults=(
            Fault("LOGIN", Garbage(b"+ e30=\r\n" * 3), times=None),
            Fault("AUTH", Garbage(b"+ \r\n"), times=None),
        ),
        token=True,
    ),
    Case("lists messages without end", (VIOLATION,), faults=once("UIDL", counting(b"%d u\r\n"))),
    Case(
        "lists the longest UIDLs allowed, and as many as there is room for",
        (VIOLATION,),
        faults=once("UIDL", counting(b"%d " + b"u" * 512 + b"\r\n")),
    ),
    Case(
        "lists a message without end", (VIOLATION,), faults=once("UIDL", repeated(b"+OK\r\n1 ", b"u" * 4000))
    ),
    Case("lists sizes without end", (VIOLATION,), faults=once("LIST", counting(b"%d 9\r\n"))),
    Case(
        "sends a message without end",
        ("message-too-large",),
        faults=once("RETR", repeated(b"+OK\r\nSubject: 1\r\n\r\n", b"more and more\r\n" * 1000)),
        kept=MAIL[1:],
        remain=1,
    ),
    Case(
        "sends a line without end as a message",
        ("message-too-large",),
        faults=once("RETR", repeated(b"+OK\r\n", b"x" * 16_384)),
        kept=MAIL[1:],
        remain=1,
    ),
    Case(
        "sends a header without end",
        ("message-too-large",),
        faults=once("RETR", repeated(b"+OK\r\n", b"Subject: again\r\n" * 1000)),
        kept=MAIL[1:],
        remain=1,
    ),
    Case(
        "goes on talking after QUIT",
        ("ok",),
        faults=once("QUIT", Garbage(b"+OK bye\r\n" * 100, endless=True)),
        stored=3,
    ),
)

_LONG_LINES = (
    _line_of_10_mb("GREETING", "the connection", VIOLATION),
    _line_of_10_mb("CAPA", "CAPA", VIOLATION),
    _line_of_10_mb("CAPA", "CAPA, in its body,", VIOLATION, ends=b"\r\n.\r\n"),
    _line_of_10_mb("USER", "USER", VIOLATION),
    _line_of_10_mb("LOGIN", "PASS", VIOLATION),
    _line_of_10_mb("UIDL", "UIDL", VIOLATION),
    _line_of_10_mb("UIDL", "UIDL, in its body,", VIOLATION, ends=b"\r\n.\r\n"),
    _line_of_10_mb("LIST", "LIST, in its body,", "ok", ends=b"\r\n.\r\n", stored=3),
    _line_of_10_mb("RETR", "RETR", VIOLATION),
    _line_of_10_mb("DELE", "DELE", VIOLATION, stored=3),
    _line_of_10_mb("QUIT", "QUIT", "ok", stored=3),
    Case(
        "challenges with 10 MB",
        (VIOLATION,),
        faults=once("AUTH", Rewrite(lambda _: [b"+ ", base64.b64encode(b"x" * BIG), b"\r\n"])),
        token=True,
    ),
    Case(
        "lists one UIDL as long as a listing may be, all of it astral characters",
        ("ok",),
        faults=once("UIDL", Rewrite(lambda _: [b"+OK\r\n1 ", "\U0001f4a3".encode() * 900_000, b"\r\n.\r\n"])),
    ),
    Case("has a message of one line of 10 MB", ("ok",), mail=(b"x" * BIG + b"\r\n", *MAIL), stored=4),
    Case(
        "has a message whose subject has 10 MB",
        ("ok",),
        mail=(b"Subject: " + b"=?utf-8?q?=00?= " * (BIG // 16) + b"\r\n\r\n", *MAIL),
        stored=4,
    ),
    Case(
        "has a message for as many addresses as a header has room for",
        ("ok",),
        mail=(b"To: " + b"a@b," * (LIMIT // 4 - 16) + b"\r\n\r\nbody\r\n", *MAIL),
        stored=4,
    ),
    Case(
        "has a message with a header of 400,000 fields",
        ("ok",),
        mail=(b"Subject: x\r\n" * 400_000 + b"\r\nbody\r\n", *MAIL),
        stored=4,
    ),
)

_BOMBS = (
    Case(
        "lists without end in records of two octets",
        (VIOLATION, "deadline-exceeded"),
        faults=once("UIDL", repeated_in_tiny_records(b"1234567890 " + b"u" * 60 + b"\r\n")),
        within=PATIENT.session,
        full=True,
    ),
    Case(
        "sends a message in records of two octets",
        ("ok",),
        faults=once("RETR", Rewrite(in_tiny_records)),
        mail=(letter(0, octets=50_000),),
        kept=(letter(0, octets=50_000),),
        stored=1,
    ),
    Case(
        f"lists {MANY:,} messages and hands out three",
        ("messages-refused",),
        faults=once("UIDL", listed(lambda number: b"%d u%d" % (number, number), MANY)),
        uidls=(b"u1", b"u2", b"u3"),
        stored=3,
        always=True,
    ),
    Case(
        f"lists {MANY + 1:,} messages and hands out three",
        ("messages-refused",),
        stored=3,
        events=("mailbox large",),
        uidls=(b"u1", b"u2", b"u3"),
        faults=once("UIDL", listed(lambda number: b"%d u%d" % (number, number), MANY + 1)),
    ),
    Case(
        f"lists {MANY:,} messages under one UIDL",
        ("ok",),
        events=("uidl ambiguous",),
        faults=once("UIDL", listed(lambda number: b"%d u" % number, MANY)),
    ),
    Case(
        f"lists {MANY:,} messages, each too large",
        ("ok",),
        events=("message oversize",),
        faults=(
            Fault("UIDL", listed(lambda number: b"%d v%d" % (number, number), MANY)),
            Fault("LIST", listed(lambda number: b"%d 999999999999999" % number, MANY)),
        ),
        always=True,
    ),
    Case(
        f"lists {MANY:,} sizes of messages it does not list",
        ("ok",),
        faults=once("LIST", listed(lambda number: b"%d 999" % (number + 3), MANY)),
        stored=3,
    ),
)

CASES = (*_ENDLESS, *_LONG_LINES, *_BOMBS)
