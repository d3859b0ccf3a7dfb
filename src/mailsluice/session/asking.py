"""Asking: the header of a message that may be known already.

Owns how a header is asked for, and what a server's silence means. Must never decide what a header proves
(`recognition`), nor what follows from it.
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


class Untold(Exception):
    """The server keeps this header to itself for now, or hands out a notice: that decides nothing."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


def ask(listed: Listed, session: Session) -> Header:
    """The header, by TOP.

    Raises Untold; CommandRefused where the server has no TOP; and ServerError where the session is over. Then
    it is noted, so that the message does not end each session: it is asked again later and later.
    """
    try:
        octets = session.client.header(listed)
    except CommandRefused as refusal:
        if session.client.has_top():
            raise Untold(refusal.reply) from refusal
        raise
    except ServerError as error:
        note_silent(listed, error, session)
        raise
    return _told(Header(octets))


def ask_by_retr(listed: Listed, session: Session) -> Header:
    """The header, from the whole message, which is not kept: where TOP tells none. Raises as `ask`."""
    head = bytearray()
    try:
        with closing(session.client.retrieve((listed,), session.mailbox.max_message)) as arrivals:
            for arrival in arrivals:
                for chunk in arrival.chunks:
                    head += chunk[: LIMIT - len(head)]
    except CommandRefused as refusal:
        raise Untold(refusal.reply) from refusal
    except ServerError as error:
        note_silent(listed, error, session)
        raise
    return _told(Header(bytes(head)))


def note_silent(listed: Listed, error: ServerError, session: Session) -> None:
    """Note that the server broke off the session when it was asked for this message's header."""
    if isinstance(error, GaveWay):  # that was us
        return
    ledger, now = session.context.ledger, session.context.clock.now()
    failure = Failure(1, now, str(error), listed.size, kind=Why.SILENT, tried=ledger.now())
    ledger.failures.note(session.mailbox.key, {listed: failure})


def _told(header: Header) -> Header:
    if may_be(header):
        raise Untold(_NOTICE)
    return header
