"""Quarantine: what cannot be fetched is counted, and after some polls in a row set aside.

Owns which failures speak against a message and which against its server. Must never delete a message, nor
decide what is tried: that is `policy`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from mailsluice.errors import CommandRefused, Disposition, MailsluiceError, MessageTooLarge, ServerError
from mailsluice.header import LIMIT
from mailsluice.model import Listed, uidl_text
from mailsluice.obs import events
from mailsluice.session.parts import Session
from mailsluice.session.triage import triage

MANY = 10
"""If a server refuses more messages than this at once and hands out none, the fault is its own."""

_log = structlog.get_logger(__name__)


def speaks_against_message(error: MailsluiceError) -> bool:
    """Whether this error, met while a message arrived, may be the message's own.

    Not one that is ours, nor one of which the server says that it passes.
    """
    if not isinstance(error, ServerError) or isinstance(error, MessageTooLarge):
        return False
    return not isinstance(error, CommandRefused) or triage(error).disposition is Disposition.RETRY


def count(errors: Mapping[Listed, MailsluiceError], arrived: int, session: Session) -> None:
    """Count what could not be fetched while `arrived` others could; report what is set aside by that."""
    if not arrived and len(errors) > MANY:
        return
    ours = {listed: str(error) for listed, error in errors.items() if speaks_against_message(error)}
    if not ours:
        return
    ledger, key = session.parts.ledger, session.mailbox.key
    for listed in ledger.note_setbacks(key, ours, session.parts.clock.now()):
        _log.warning(
            events.MESSAGE_QUARANTINED,
            uidl=uidl_text(listed.uidl),
            octets=listed.size,
            error=ours[listed],
            remedy="it stays on the server and is not tried any more; see `mailsluice quarantine list`",
        )


def describe(listing: Sequence[Listed], session: Session) -> None:
    """Ask once for the header of each message in quarantine, for people to know it by.

    That it was asked for is noted before, lest a message that ends the session here ends every session.
    """
    ledger, key = session.parts.ledger, session.mailbox.key
    setbacks = ledger.setbacks(key)
    for listed in listing:
        setback = setbacks.get(listed.uidl)
        if setback is None or not setback.quarantined or setback.header is not None:
            continue
        if session.ending:
            break
        ledger.note_header(key, listed.uidl, b"")
        try:
            header = session.client.header(listed)
        except CommandRefused:
            continue
        ledger.note_header(key, listed.uidl, header[:LIMIT])
