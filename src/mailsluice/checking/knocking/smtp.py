"""SMTP submission: STARTTLS and a login (RFC 6409, RFC 3207, RFC 4954), and nothing else.

Owns what is said for that. Must never name a sender or a recipient. Nothing that was said before TLS counts
after it.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass

from mailsluice.checking.knocking.dialogue import Clear, Dialogue
from mailsluice.checking.knocking.response import Response
from mailsluice.errors import (
    CommandRefused,
    ConnectionLost,
    LoginRefused,
    Obstacle,
    Phase,
    ServerError,
    ServerUnreachable,
)
from mailsluice.net.deadlines import Patience
from mailsluice.pop3.deadlines import Deadlines

GOODBYE = b"QUIT"
"""What is said last."""

_REPLY = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_EHLO = b"EHLO [127.0.0.1]"
"""It names no host: a server needs none, and ours is nobody's business (RFC 5321 §4.1.4)."""
_STARTTLS = b"STARTTLS"
_ANY_TIME = Patience(0)
"""`Clear` has a limit of its own."""


@dataclass(frozen=True, slots=True)
class _Reply:
    """A reply (RFC 5321 §4.2): its code and the texts of its lines."""

    code: int
    texts: tuple[bytes, ...]

    @property
    def is_good(self) -> bool:
        """Whether the server did what was asked."""
        return 200 <= self.code < 300

    def offers(self, extension: bytes) -> bool:
        """Whether a reply to EHLO has this extension, one to a line behind the first."""
        return any(text.upper().split()[:1] == [extension] for text in self.texts[1:])

    def words(self, dialogue: Dialogue) -> str:
        """The whole reply on one line, fit for an error."""
        return dialogue.quoted(b" ".join((b"%d" % self.code, *self.texts)))


def ask_for_tls(peer: str, plain: socket.socket, left: Callable[[], float]) -> None:
    """Ask the server `peer` for TLS; otherwise as `net.endpoint.AskForTls`. Raises OSError, ServerError."""
    dialogue = Dialogue(Clear(plain, left), peer, _ANY_TIME)
    greeting = _reply(dialogue)
    if not greeting.is_good:
        reply = greeting.words(dialogue)
        raise ConnectionLost(f"{peer} turned us away: {reply!r}", phase=Phase.GREETING, reply=reply)
    offer = _ask(dialogue, _EHLO)
    if not offer.is_good:
        raise _refusal(dialogue, "EHLO", offer)
    answer = _ask(dialogue, _STARTTLS) if offer.offers(_STARTTLS) else None
    if answer is None or not answer.is_good:
        what = "offers no STARTTLS" if answer is None else f"refused STARTTLS: {answer.words(dialogue)!r}"
        raise ServerUnreachable(
            f"{peer} {what}",
            phase=Phase.TLS,
            reply=answer.words(dialogue) if answer else "",
            remedy="without TLS no token is sent; look for a device on the way that removes STARTTLS",
            obstacle=Obstacle.NO_TLS,
        )


def log_in(dialogue: Dialogue, response: Response, deadlines: Deadlines) -> None:
    """Log in, after TLS. Raises LoginRefused with the server's words as `reply`, and ServerError."""
    dialogue.begin(Phase.CAPABILITIES, deadlines.greeting)
    offer = _ask(dialogue, _EHLO)
    if not offer.is_good:
        raise _refusal(dialogue, "EHLO", offer)
    dialogue.begin(Phase.AUTH, deadlines.auth)
    answer, reason = _ask(dialogue, b"AUTH XOAUTH2"), ""
    if answer.code == 334:
        answer = _ask(dialogue, response.line, *response.secrets)
        if answer.code == 334:  # XOAUTH2's way to refuse a token, with a reason
            reason = response.reason(b"".join(answer.texts), dialogue)
            answer = _ask(dialogue, b"")
    if not answer.is_good:
        reply, because = answer.words(dialogue), f" ({reason})" if reason else ""
        raise LoginRefused(
            f"{dialogue.peer} did not accept the login of {response.address}: {reply!r}{because}",
            phase=Phase.AUTH,
            reply=reply,
        )


def _ask(dialogue: Dialogue, line: bytes, *secrets: bytes) -> _Reply:
    dialogue.say(line, *secrets)
    return _reply(dialogue)


def _reply(dialogue: Dialogue) -> _Reply:
    texts: list[bytes] = []
    code = None
    while True:
        line = dialogue.line()
        found = _REPLY.fullmatch(line)
        if found is None or code not in {None, found[1]}:
            dialogue.violated("sent a line that is no reply of SMTP", line)
        code = found[1]
        texts.append(found[3] or b"")
        if found[2] != b"-":
            return _Reply(int(code), tuple(texts))


def _refusal(dialogue: Dialogue, command: str, answer: _Reply) -> ServerError:
    reply = answer.words(dialogue)
    return CommandRefused(f"{dialogue.peer} refused {command}: {reply!r}", phase=dialogue.phase, reply=reply)
