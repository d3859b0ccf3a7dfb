"""Quarantine: what cannot be fetched is counted, and after some polls in a row set aside.

Owns which failures speak against a message and which against its server. Must never delete a message, nor
decide what is tried: that is `policy`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mailsluice.errors import CommandRefused, MailsluiceError, MessageTooLarge, ServerError
from mailsluice.model import Listed, uidl_text
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.session.parts import Session
from mailsluice.session.triage import is_explained

MANY = 10
"""If a server fails with more messages than this in a session and hands out none, the fault is its own."""

KEPT = 64 * 1024
"""Octets of a message's header that the ledger keeps: enough to know it by. Each poll reads them."""

_log = get_logger(__name__)


def speaks_against_message(error: MailsluiceError) -> bool:
    """Whether this error, met while a message arrived, may be the message's own.

    Not one that is ours, nor one that the server explains otherwise.
    """
    return (
        isinstance(error, ServerError) and not isinstance(error, MessageTooLarge) and not is_explained(error)
    )


@contextmanager
def counting(session: Session) -> Iterator[None]:
    """Count what could not be fetched, however the fetching within ends; report what is set aside by that."""
    try:
        yield
    finally:
        _count(session)


def _count(session: Session) -> None:
    tally, ledger = session.tally, session.parts.ledger
    errors = {listed: str(error) for listed, error in tally.errors.items() if speaks_against_message(error)}
    if not errors:
        return
    failures = 0 if len(errors) > MANY and not tally.fetched else 1
    now = session.parts.clock.now()
    for listed in ledger.note_setbacks(session.mailbox.key, errors, failures, now):
        _log.warning(
            events.MESSAGE_QUARANTINED,
            uidl=uidl_text(listed.uidl),
            octets=listed.size,
            error=errors[listed],
            remedy="it stays on the server and is not tried any more; see `mailsluice quarantine list`",
        )


def describe(listing: Sequence[Listed], session: Session) -> None:
    """Ask once for the header of each message in quarantine, for people to know it by.

    That it was asked for is noted before, lest a message that ends the session here ends every session.
    """
    ledger, key = session.parts.ledger, session.mailbox.key
    setbacks = ledger.setbacks(key)
    if not setbacks:
        return
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
        ledger.note_header(key, listed.uidl, header[:KEPT])
