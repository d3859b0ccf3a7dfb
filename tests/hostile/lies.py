"""Servers that refuse, lie, or talk out of turn, and those that say what must not be shown."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import replace

from hostile.bodies import SESSION
from hostile.case import PATIENT, QUICK, Case, once
from hostile.victim import PASSWORD, TOKEN
from mailsluice_sandbox import Close, Fault, Garbage, Pretend, Refuse, Rewrite, Silence
from mailsluice_sandbox.faults import Action, When

VIOLATION = "protocol-violation"
UNCONFIRMED = "quit unconfirmed"


def _refusing(word: str, when: When, outcome: str, *, stored: int = 0, events: tuple[str, ...] = ()) -> Case:
    return Case(
        f"answers -ERR to {word}",
        (outcome,),
        events=events,
        faults=(Fault(when, Refuse("no"), times=None),),
        stored=stored,
    )


_REFUSALS = (
    _refusing("the connection", "GREETING", "connection-lost"),
    _refusing("CAPA", "CAPA", "ok", stored=3),
    _refusing("USER", "USER", "login-refused"),
    _refusing("PASS", "LOGIN", "login-refused"),
    _refusing("UIDL", "UIDL", "command-refused"),
    _refusing("every RETR", "RETR", "messages-refused", events=("message refused",)),
    _refusing("DELE", "DELE", "ok", stored=3),
    _refusing("QUIT", "QUIT", "ok", stored=3, events=(UNCONFIRMED,)),
    Case(
        "answers -ERR to every command",
        ("login-refused",),
        faults=tuple(Fault(when, Refuse("no"), times=None) for when in SESSION[1:]),
        always=True,
    ),
    Case(
        "answers -ERR to every command once it has let us in",
        ("command-refused",),
        faults=tuple(Fault(when, Refuse("no"), times=None) for when in SESSION[4:]),
        always=True,
    ),
    Case(
        "answers -ERR to one RETR",
        ("messages-refused",),
        faults=once("RETR", Refuse("no")),
        stored=2,
    ),
    Case(
        "lets us in and does not open the mailbox",
        ("command-refused",),
        says="the mailbox was not opened",
        faults=once("UIDL", Refuse("Command is not valid in this state.")),
    ),
)

_LIES = (
    Case(
        "agrees to DELE and deletes nothing",
        ("ok",),
        faults=(Fault("DELE", Pretend(), times=None),),
        stored=3,
        always=True,
    ),
    Case(
        "agrees to QUIT and deletes nothing",
        ("ok",),
        faults=once("QUIT", Pretend()),
        stored=3,
        always=True,
    ),
    Case(
        "deletes at QUIT, and says that it does not",
        ("ok",),
        events=(UNCONFIRMED,),
        faults=once("QUIT", Rewrite(lambda _: [b"-ERR not deleted\r\n"])),
        stored=3,
    ),
    Case(
        "deletes at QUIT, and closes without an answer",
        ("ok",),
        events=(UNCONFIRMED,),
        faults=once("QUIT", Close(after_octets=0)),
        stored=3,
    ),
)


def _saying(name: str, when: When, octets: bytes, outcome: str = VIOLATION, stored: int = 0) -> Case:
    return Case(name, (outcome,), faults=once(when, Garbage(octets)), stored=stored)


_NO_ANSWERS = (
    _saying("speaks HTTP", "GREETING", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    _saying("speaks IMAP", "GREETING", b"* OK [CAPABILITY IMAP4rev1] ready\r\n"),
    _saying("speaks SMTP", "GREETING", b"220 mail.example ESMTP\r\n"),
    _saying("greets in lower case", "GREETING", b"+ok ready\r\n"),
    _saying("greets with NUL", "GREETING", b"\0" * 100 + b"\r\n"),
    _saying("greets with an empty line", "GREETING", b"\r\n"),
    _saying("greets with a word that begins like +OK", "GREETING", b"+OKAY\r\n"),
    _saying("asks for a response where none is due", "UIDL", b"+ \r\n"),
    _saying("answers a question that nobody asked", "GREETING", b"+OK ready\r\n+OK\r\n.\r\n"),
    _saying("answers USER twice", "USER", b"+OK\r\n+OK\r\n"),
    _saying("answers DELE twice", "DELE", b"+OK\r\n+OK\r\n", stored=3),
    _saying("answers RETR in German", "RETR", b"JAWOHL\r\nSubject: x\r\n\r\n.\r\n"),
    Case(
        "lets us in at AUTH, before the token",
        (VIOLATION,),
        faults=once("AUTH", Garbage(b"+OK\r\n")),
        token=True,
    ),
)


def _challenging(name: str, challenge: bytes, says: str = "") -> Case:
    return Case(
        name,
        ("login-refused",),
        says=says,
        faults=once("LOGIN", Garbage(b"+ " + challenge + b"\r\n")),
        token=True,
    )


def _base64_of(said: object) -> bytes:
    return base64.b64encode(json.dumps(said).encode())


_HARD_TO_SHOW = (
    Case(
        "refuses with terminal escapes",
        ("login-refused",),
        says="?[2J?]0;x?",
        faults=once("LOGIN", Garbage(b"-ERR \x1b[2J\x1b]0;x\x07\r\n")),
    ),
    Case(
        "refuses with words that run backward",
        ("login-refused",),
        faults=once("LOGIN", Garbage("-ERR \u202eko llew lla\u2066\r\n".encode())),
    ),
    Case("refuses with 8,000 octets", ("login-refused",), faults=once("LOGIN", Refuse("no " * 2600))),
    Case(
        "refuses with a log line of its own",
        ("login-refused",),
        faults=once("LOGIN", Garbage(b"-ERR no\r{}\r\n")),
    ),
    Case(
        "says our password back",
        ("login-refused",),
        says="***",
        faults=once("LOGIN", Refuse(f"{PASSWORD} is wrong, {PASSWORD}")),
    ),
    Case(
        "lists our password",
        (VIOLATION,),
        says="***",
        faults=once("UIDL", Garbage(b"+OK\r\n%b\r\n.\r\n" % PASSWORD.encode())),
    ),
    Case(
        "says our token back",
        ("login-refused",),
        says="***",
        faults=once("LOGIN", Refuse(f"{TOKEN}")),
        token=True,
    ),
    _challenging("says our token back in a challenge", _base64_of({"status": TOKEN}), "***"),
    _challenging(
        "challenges with terminal escapes", _base64_of({"status": "\x1b[2J", "scope": "\x07"}), "?[2J"
    ),
    _challenging("challenges with JSON 2,000 deep", base64.b64encode(b"[" * 2000)),
    _challenging(
        "challenges with a number of 5,000 digits", base64.b64encode(b'{"status":%b}' % (b"9" * 5000))
    ),
    _challenging("challenges with what is no base64", b"\xff\0!!"),
)


def _at_the_pace_asked_for(answer: bytes) -> Iterator[bytes]:
    """Just fast enough for every demand on the pace, and without end."""
    yield answer[:5]
    for _ in itertools.repeat(None):
        yield b"x" * 400
        time.sleep(0.2)


def _advertising(answer: bytes) -> list[bytes]:
    return [answer.removesuffix(b".\r\n"), b"PIPELINING\r\n.\r\n"]


def _second(name: str, do: Action, outcome: str, *, pipelining: bool = False) -> Case:
    """One message is whole, the second is where it happens."""
    faults = [Fault("RETR", do, skip=1)]
    if pipelining:
        faults.append(Fault("CAPA", Rewrite(_advertising)))
    return Case(
        name,
        (outcome,),
        faults=tuple(faults),
        deadlines=QUICK if isinstance(do, Silence) else PATIENT,
        within=QUICK.retrieve if isinstance(do, Silence) else 0,
        stored=1,
    )


_SLOW_OR_BROKEN = (
    Case(
        "sends as slowly as it may, without end",
        ("deadline-exceeded",),
        says="the session lasted its 5 s",
        faults=once("RETR", Rewrite(_at_the_pace_asked_for)),
        deadlines=replace(QUICK, session=5),
        within=5,
    ),
    _second("breaks off in the second message", Close(after_octets=20), "connection-lost"),
    _second("falls silent in the second message", Silence(after_octets=20), "deadline-exceeded"),
    _second(
        "breaks off in the second of messages asked ahead",
        Close(after_octets=20),
        "connection-lost",
        pipelining=True,
    ),
    _second("falls silent when asked ahead", Silence(), "deadline-exceeded", pipelining=True),
    Case(
        "refuses one of the messages asked ahead",
        ("messages-refused",),
        faults=(Fault("CAPA", Rewrite(_advertising)), Fault("RETR", Refuse("no"), skip=1)),
        stored=2,
    ),
)

CASES = (*_REFUSALS, *_LIES, *_NO_ANSWERS, *_HARD_TO_SHOW, *_SLOW_OR_BROKEN)
