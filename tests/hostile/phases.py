"""Servers that break off, fall silent or dawdle: each way at each phase of a session."""

from __future__ import annotations

from dataclasses import dataclass

from hostile.case import PATIENT, QUICK, Case, once
from mailsluice.sandbox import Close, Drip, Hangup, Silence
from mailsluice.sandbox.faults import Action, When

LOST, LATE, UNREACHABLE = "connection-lost", "deadline-exceeded", "server-unreachable"
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


CASES = (
    Case("closes before TLS", (UNREACHABLE,), faults=once("CONNECT", Close(Hangup.FIN))),
    Case("resets the connection before TLS", (UNREACHABLE,), faults=once("CONNECT", Close(Hangup.RESET))),
    Case("never begins TLS", (LATE,), faults=once("CONNECT", Silence()), deadlines=QUICK, within=QUICK.tls),
    *_cases(),
)
