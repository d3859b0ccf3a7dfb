"""Servers that break off, fall silent or dawdle: each way at each phase of a session."""

from __future__ import annotations

from dataclasses import dataclass

from hostile.case import QUICK, Case, once
from mailsluice.sandbox import Close, Drip, Hangup, Silence

LOST, LATE, UNREACHABLE = "connection-lost", "deadline-exceeded", "server-unreachable"
UNCONFIRMED = "quit unconfirmed"


@dataclass(frozen=True, slots=True)
class Phase:
    """An occasion of the sandbox's, and what is stored of three messages when it goes wrong there.

    `waits` is how many times a phase's deadline has begun by then, each 1 s: the connection and TLS first.
    """

    when: str
    word: str
    waits: int
    stored: int = 0

    @property
    def telling(self) -> bool:
        """Whether a phase is played in every way; of its likes, the bounded form plays some."""
        return self.when in {"GREETING", "UIDL", "RETR", "QUIT"}


PHASES = (
    Phase("GREETING", "the greeting", 3),
    Phase("CAPA", "CAPA", 4),
    Phase("USER", "USER", 5),
    Phase("LOGIN", "PASS", 5),
    Phase("UIDL", "UIDL", 6),
    Phase("LIST", "LIST", 7),
    Phase("RETR", "RETR", 8),
    Phase("DELE", "DELE", 11, stored=3),
    Phase("QUIT", "QUIT", 14, stored=3),
)


def _case(phase: Phase, how: str, do: object, outcome: str, *, full: bool = False) -> Case:
    quits = phase.when == "QUIT"  # the mail is stored by then, and the next listing decides
    return Case(
        name=f"{how} {phase.word}",
        outcomes=("ok",) if quits else (outcome,),
        events=(UNCONFIRMED,) if quits else (),
        faults=once(phase.when, do),
        deadlines=QUICK,
        stored=phase.stored,
        within=QUICK.tls * phase.waits,
        full=full,
    )


def _cases() -> list[Case]:
    cases = []
    for phase in PHASES:
        cases += [
            _case(
                phase, "closes instead of answering to", Close(Hangup.NOTIFY), LOST, full=not phase.telling
            ),
            _case(
                phase, "closes without TLS's notice in the middle of", Close(Hangup.FIN, after_octets=4), LOST
            ),
            _case(
                phase,
                "resets the connection in the middle of",
                Close(Hangup.RESET, after_octets=4),
                LOST,
                full=not phase.telling,
            ),
            _case(phase, "falls silent before", Silence(), LATE, full=True),
            _case(phase, "falls silent in the middle of", Silence(after_octets=4), LATE),
            _case(phase, "sends an octet in 0.3 s in", Drip(0.3), LATE, full=True),
        ]
    return cases


CASES = (
    Case("closes before TLS", (UNREACHABLE,), faults=once("CONNECT", Close(Hangup.FIN))),
    Case("resets the connection before TLS", (UNREACHABLE,), faults=once("CONNECT", Close(Hangup.RESET))),
    Case(
        "never begins TLS", (LATE,), faults=once("CONNECT", Silence()), deadlines=QUICK, within=2 * QUICK.tls
    ),
    *_cases(),
)
