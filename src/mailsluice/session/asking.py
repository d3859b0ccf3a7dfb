"""Asking: the header of a message that may be known already.

Owns how a header is asked for, and what it means if the server does not give it. Must never decide what a
header proves (`message.recognition`), nor what follows from it.
"""

from __future__ import annotations

from contextlib import closing

from mailsluice.errors import CommandRefused, GaveWay, ServerError
from mailsluice.failure import Failure, Why
from mailsluice.message.header import LIMIT, Header
from mailsluice.message.substitute import may_be
from mailsluice.model import Listed
from mailsluice.session.context import Session

_NOTICE = "a notice in its place"


class HeaderRefused(Exception):
    """The server does not give this header now, or sends a notice in its place. That decides nothing."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


def ask(listed: Listed, session: Session) -> Header:
    """The header, by TOP.

    Raises HeaderRefused if the server does not give this header, CommandRefused if it has no TOP, and
    ServerError if the session is over. The last is noted, and the header is asked for later and later.
    Otherwise it would end every session.
    """
    try:
        octets = session.client.header(listed)
    except CommandRefused as refusal:
        if session.client.has_top():  # then the refusal is about this message alone
            raise HeaderRefused(refusal.reply) from refusal
        raise
    except ServerError as error:
        note_silent(listed, error, session)
        raise
    return _unless_notice(Header(octets))


def ask_by_retr(listed: Listed, session: Session) -> Header:
    """The header, by RETR, for a server whose TOP gives none. The body is not kept. Raises as `ask`."""
    head = bytearray()
    try:
        with closing(session.client.retrieve((listed,), session.mailbox.max_message)) as arrivals:
            for arrival in arrivals:
                for chunk in arrival.chunks:  # read to the end, so that the session can go on
                    head += chunk[: LIMIT - len(head)]
    except CommandRefused as refusal:
        raise HeaderRefused(refusal.reply) from refusal
    except ServerError as error:
        note_silent(listed, error, session)
        raise
    return _unless_notice(Header(bytes(head)))


def note_silent(listed: Listed, error: ServerError, session: Session) -> None:
    """Note that the session ended when the server was asked for this message's header."""
    if isinstance(error, GaveWay):  # we ended the session, so the message is not to blame
        return
    ledger, now = session.context.ledger, session.context.clock.now()
    failure = Failure(1, now, str(error), listed.size, kind=Why.SILENT, tried=ledger.now())
    ledger.failures.note(session.mailbox.key, {listed: failure})


def _unless_notice(header: Header) -> Header:
    if may_be(header):  # the header of Exchange's notice, and not of the message
        raise HeaderRefused(_NOTICE)
    return header
