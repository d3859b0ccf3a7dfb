"""IMAP: a login and a look at the inbox (RFC 9051), and nothing else.

Owns what is said for that. Must never open a mailbox, fetch a message, or set a flag.
"""

from __future__ import annotations

import re

from mailsluice.checking.knocking.dialogue import Dialogue
from mailsluice.checking.knocking.response import Response
from mailsluice.errors import ConnectionLost, LoginRefused, Phase
from mailsluice.pop3.deadlines import Deadlines

GOODBYE = b"A3 LOGOUT"
"""What is said last."""

_GREETING = re.compile(rb"\* (OK|BYE|PREAUTH)\b ?(.*)", re.IGNORECASE | re.DOTALL)
_ANSWER = re.compile(rb"(A[0-9]+) ((?:OK|NO|BAD)\b.*)", re.IGNORECASE | re.DOTALL)
_BYE = re.compile(rb"\* (BYE\b.*)", re.IGNORECASE | re.DOTALL)
_CONTINUE = b"+"


def log_in(dialogue: Dialogue, response: Response, deadlines: Deadlines) -> None:
    """Log in, and look. Raises LoginRefused with the server's words as `reply`, and ServerError.

    Exchange Online may accept a login and then not open the mailbox: the first command after the login says
    so. Only that one shows whether the mailbox can be reached. It is STATUS, which changes nothing
    (RFC 9051 §6.3.11), as STAT in POP3.
    """
    dialogue.begin(Phase.GREETING, deadlines.greeting)
    _greeted(dialogue)
    dialogue.begin(Phase.AUTH, deadlines.auth)
    dialogue.say(b"A1 AUTHENTICATE XOAUTH2")
    answer, reason = _answer(dialogue, b"A1"), ""
    if answer.startswith(_CONTINUE):
        dialogue.say(response.line, *response.secrets)
        answer = _answer(dialogue, b"A1")
        if answer.startswith(_CONTINUE):  # XOAUTH2's way to refuse a token, with a reason
            reason = response.reason(answer.removeprefix(_CONTINUE).strip(), dialogue)
            dialogue.say(b"")
            answer = _answer(dialogue, b"A1")
    if not _is_ok(answer):
        raise _refused(dialogue, answer, f"did not accept the login of {response.address}", reason)
    dialogue.begin(Phase.LISTING, deadlines.listing)
    dialogue.say(b"A2 STATUS INBOX (MESSAGES)")
    answer = _answer(dialogue, b"A2")
    if not _is_ok(answer):
        what = f"accepted the login of {response.address}, but does not open the mailbox"
        raise _refused(dialogue, answer, what)


def _greeted(dialogue: Dialogue) -> None:
    line = dialogue.line()
    found = _GREETING.fullmatch(line)
    kind = found[1].upper() if found else b""
    if found and kind == b"BYE":
        reply = dialogue.quoted(found[2])
        raise ConnectionLost(f"{dialogue.peer} turned us away: {reply!r}", phase=Phase.GREETING, reply=reply)
    if kind != b"OK":  # PREAUTH: nobody has logged in, so it is not our mailbox
        dialogue.violated("sent a line that is no greeting of IMAP", line)


def _answer(dialogue: Dialogue, tag: bytes) -> bytes:
    """The answer to the command with this tag: `OK ...`, `NO ...` or `BAD ...`; or `+ ...`, which wants more.

    Other lines are passed over. But a server that says goodbye, and then closes, has given its answer.
    """
    goodbye = b""
    while True:
        try:
            line = dialogue.line()
        except ConnectionLost:
            if goodbye:
                return goodbye
            raise
        if found := _ANSWER.fullmatch(line):
            if found[1].upper() != tag:
                dialogue.violated("answered a command that was not given", line)
            return found[2]
        if line.startswith(_CONTINUE):
            return line.strip()
        if found := _BYE.fullmatch(line):
            goodbye = found[1]
        elif not line.startswith(b"* "):
            dialogue.violated("sent a line that is no answer of IMAP", line)


def _is_ok(answer: bytes) -> bool:
    return answer[:2].upper() == b"OK"


def _refused(dialogue: Dialogue, answer: bytes, what: str, reason: str = "") -> LoginRefused:
    reply = dialogue.quoted(answer)
    because = f" ({reason})" if reason else ""
    return LoginRefused(f"{dialogue.peer} {what}: {reply!r}{because}", phase=dialogue.phase, reply=reply)
