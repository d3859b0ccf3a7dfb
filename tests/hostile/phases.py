"""Servers that break off, fall silent or dawdle: each way at each phase of a session."""

from __future__ import annotations

from dataclasses import dataclass

from hostile.case import MAIL, PATIENT, QUICK, Case, once
from hostile.floods import BIG, VIOLATION, repeated
from mailsluice_sandbox import Close, Drip, Hangup, Refuse, Rewrite, Silence
from mailsluice_sandbox.faults import Action, When

LOST, LATE, UNREACHABLE = "connection-lost", "deadline-exceeded", "server-unreachable"
REFUSED = "messages-refused"
UNCONFIRMED = "quit unconfirmed"


@dataclass(frozen=True, slots=True)
class Phase:
    """An occasion of the sandbox's, and what is stored of three messages when it goes wrong there.

    `middle` is how many octets of the answer come before its middle.
    """

    when: When
    word: str
    stored: int = 0
    middle: int = 4
    token: bool = False


PHASES = (
    Phase("GREETING", "the greeting"),
    Phase("CAPA", "CAPA"),
    Phase("USER", "USER"),
    Phase("LOGIN", "PASS"),
    Phase("AUTH", "AUTH", middle=1, token=True),
    Phase("LOGIN", "the token", token=True),
    Phase("UIDL", "UIDL"),
    Phase("LIST", "LIST"),
    Phase("RETR", "RETR"),
    Phase("DELE", "DELE", stored=3),
    Phase("QUIT", "QUIT", stored=3),
)


def _case(phase: Phase, how: str, do: Action, *, always: bool = False, full: bool = False) -> Case:
    quits = phase.when == "QUIT"  # the mail is stored by then, and the next listing decides
    closes = isinstance(do, Close)
    return Case(
        name=f"{how} {phase.word}",
        outcomes=("ok",) if quits else (LOST,) if closes else (LATE,),
        events=(UNCONFIRMED,) if quits else (),
        faults=once(phase.when, do),
        deadlines=PATIENT if closes else QUICK,
        token=phase.token,
        stored=phase.stored,
        within=0 if closes else QUICK.tls,  # every phase's is as long
        always=always or phase.when == "DELE",
        full=full,
    )


def _cases() -> list[Case]:
    cases = []
    for phase in PHASES:
        cut, reset = Close(Hangup.FIN, phase.middle), Close(Hangup.RESET, phase.middle)
        drips = phase.when in {"GREETING", "RETR"}
        cases += [
            _case(phase, "closes instead of answering to", Close(Hangup.NOTIFY)),
            _case(phase, "closes without TLS's notice in the middle of", cut, always=True),
            _case(phase, "resets the connection in the middle of", reset),
            _case(phase, "falls silent before", Silence(), full=True),
            _case(phase, "falls silent in the middle of", Silence(phase.middle), always=True),
            _case(phase, "sends an octet in 0.3 s in", Drip(0.3), always=drips, full=True),
        ]
    return cases


_FIRST_LINES: dict[When, bytes] = {"UIDL": b"+OK\r\n1 u1\r\n", "LIST": b"+OK\r\n1 50\r\n"}
"""What the sandbox says first of the mail; of a size only its length matters."""


def _half_listed(command: When, how: str, do: Action) -> Case:
    """Of mail that is stored and kept, a listing that ends too soon: what is not in it has not gone."""
    closes = isinstance(do, Close)
    return Case(
        f"{how} of {command}'s listing",
        (LOST,) if closes else (LATE,),
        faults=once(command, do),
        deadlines=PATIENT if closes else QUICK,
        uidls=(b"u1", b"u2", b"u3"),
        known=True,
        keep=True,
        always=isinstance(do, Close),
        within=0 if closes else QUICK.listing,
    )


def _half_listings() -> list[Case]:
    cases = []
    for command, first in _FIRST_LINES.items():
        for where, octets in (("after the first line", len(first)), ("in the second line", len(first) + 3)):
            cases += [
                _half_listed(command, f"closes {where}", Close(Hangup.NOTIFY, octets)),
                _half_listed(command, f"closes without TLS's notice {where}", Close(Hangup.FIN, octets)),
                _half_listed(command, f"falls silent {where}", Silence(octets)),
            ]
    return cases


def _top(name: str, do: Action, outcome: str, *, told: bool = False, full: bool = False) -> Case:
    """TOP is asked for the header of a message that RETR does not give: its own header speaks against it."""
    waits = outcome == LATE
    return Case(
        f"{name} TOP of a message that it refuses",
        (REFUSED,),
        faults=once("TOP", do),
        deadlines=QUICK if waits else PATIENT,
        refused=True,
        gone=2,  # the others were stored and deleted before
        kept=MAIL[1:] if told else MAIL,
        remain=1 if told else 0,
        within=QUICK.retrieve if waits else 0,
        full=full,
    )


_TOPS = (
    _top("closes instead of answering to", Close(Hangup.NOTIFY), LOST),
    _top("closes without TLS's notice in the middle of", Close(Hangup.FIN, 20), LOST),
    _top("resets the connection in the middle of", Close(Hangup.RESET, 20), LOST),
    _top("falls silent before", Silence(), LATE, full=True),
    _top("falls silent in the middle of", Silence(20), LATE),
    _top("sends an octet in 0.3 s in", Drip(0.3), LATE, full=True),
    _top("answers -ERR to", Refuse("no"), REFUSED),
    _top("has no end in", repeated(b"+OK\r\n", b"Subject: again\r\n" * 1000), VIOLATION),
    _top(
        "sends a line of 10 MB in",
        Rewrite(lambda _answer: [b"+OK\r\nSubject: ", b"x" * BIG, b"\r\n\r\n.\r\n"]),
        REFUSED,
        told=True,
    ),
    _top(
        "sends the whole of a message of 10 MB in",
        Rewrite(lambda _answer: [b"+OK\r\nSubject: x\r\n\r\n", b"x" * BIG, b"\r\n.\r\n"]),
        REFUSED,
        told=True,
    ),
)

CASES = (
    Case("closes before TLS", (UNREACHABLE,), faults=once("CONNECT", Close(Hangup.FIN))),
    Case("resets the connection before TLS", (UNREACHABLE,), faults=once("CONNECT", Close(Hangup.RESET))),
    Case("never begins TLS", (LATE,), faults=once("CONNECT", Silence()), deadlines=QUICK, within=QUICK.tls),
    *_cases(),
    *_half_listings(),
    *_TOPS,
)
