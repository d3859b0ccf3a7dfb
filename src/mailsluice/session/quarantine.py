"""Quarantine: what cannot be fetched is counted, and after some polls in a row set aside.

Owns which failures speak against a message and which against its server. Must never delete a message, nor
decide what is tried: that is `policy`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mailsluice import invocation
from mailsluice.errors import CommandRefused, MailsluiceError, MessageTooLarge, ServerError, Substituted
from mailsluice.model import Listed, Setback, Why, uidl_text
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.session.parts import Session
from mailsluice.session.triage import is_explained

MANY = 10
"""If a server, or another program, spoils more messages than this and leaves none, the fault is its own."""

_EVENTS = {Why.SUBSTITUTE: events.MESSAGE_SUBSTITUTED}
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
    """Note what failed, and say what is held by that."""
    tally, ledger = session.tally, session.parts.ledger
    errors = {listed: error for listed, error in tally.errors.items() if speaks_against_message(error)}
    # A server that fails with many and hands out none is at fault itself.
    failures = 0 if len(errors) > MANY and not tally.fetched else 1
    failed = {listed: _setback(error, failures, session) for listed, error in errors.items()}
    # So is a program that takes many and leaves none.
    failures = 0 if len(tally.removed) > MANY and not tally.stored else 1
    failed |= {listed: _removed(listed, failures, session) for listed in tally.removed}
    if not failed:
        return
    held = set(ledger.note_setbacks(session.mailbox.key, failed))
    for listed, setback in failed.items():
        if setback.kind is Why.SUBSTITUTE or listed in held:
            _log.warning(
                _EVENTS.get(setback.kind, events.MESSAGE_QUARANTINED),
                uidl=uidl_text(listed.uidl),
                octets=listed.size,
                error=setback.error,
                remedy=f"it stays on the server; see `{invocation.command('quarantine', 'list')}`",
            )


def _setback(error: MailsluiceError, failures: int, session: Session) -> Setback:
    now, tried = session.parts.clock.now(), session.parts.ledger.now()
    if isinstance(error, Substituted):
        return Setback(0, now, str(error), None, error.text[:KEPT], Why.SUBSTITUTE, tried)
    return Setback(failures, now, str(error), tried=tried)


def _removed(listed: Listed, failures: int, session: Session) -> Setback:
    now, tried = session.parts.clock.now(), session.parts.ledger.now()
    error = "removed from staging by another program"
    return Setback(failures, now, error, listed.size, kind=Why.REMOVED, tried=tried)


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
