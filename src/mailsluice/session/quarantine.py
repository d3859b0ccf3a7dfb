"""Quarantine: what cannot be fetched is counted, and set aside after three sessions over a day.

Owns which failures speak against a message and which against its server. Must never delete a message, nor
decide what is tried: that is `policy`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from mailsluice import invocation
from mailsluice.errors import (
    CommandRefused,
    GaveWay,
    MailsluiceError,
    MessageTooLarge,
    Phase,
    ServerError,
    Substituted,
    Unrecognised,
)
from mailsluice.model import Listed, uidl_text
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.session.asking import Untold, ask
from mailsluice.session.parts import Session
from mailsluice.session.triage import is_explained
from mailsluice.setback import WAITING, Setback, Why

MANY = 10
"""If another program takes more messages than this and leaves none, the fault is its own."""

_EVENTS = {
    Why.SUBSTITUTE: events.MESSAGE_SUBSTITUTED,
    Why.UNRECOGNISED: events.MESSAGE_UNRECOGNISED,
    Why.UNDELETED: events.MESSAGE_UNDELETABLE,
}
KEPT = 64 * 1024
"""Octets of a message's header that the ledger keeps: enough to know it by. Each poll reads them."""

_log = get_logger(__name__)


def speaks_against_message(error: MailsluiceError) -> bool:
    """Whether this error, met while a message arrived, may be the message's own.

    Not one that is ours, nor one that ended the session in words that explain it otherwise. A refusal may be
    even in such words: they may come for one message for ever.
    """
    if not isinstance(error, ServerError) or isinstance(error, MessageTooLarge | GaveWay):
        return False
    return isinstance(error, CommandRefused) or not is_explained(error)


@contextmanager
def counting(session: Session, *, is_apart: bool = False) -> Iterator[None]:
    """Count what could not be fetched or deleted, however the work within ends; say what is set aside.

    `is_apart`: the session is about the deletion of one message alone.
    """
    try:
        with telling_undeleted(session):
            yield
    finally:
        _count(session, is_apart=is_apart)


@contextmanager
def telling_undeleted(session: Session) -> Iterator[None]:
    """Tally the message at whose deletion the session ends, if the work within ends so."""
    try:
        yield
    except ServerError as error:
        if error.phase is Phase.DELETE and (uidl := session.client.deleting) is not None:
            session.tally.undeleted[uidl] = error
        raise


def _undeleted(uidl: bytes, error: ServerError, session: Session, *, is_apart: bool) -> Setback:
    """One at whose deletion the session ended: that is tried apart, at once the first time, then hourly."""
    tried = session.parts.ledger.now() if is_apart else datetime.fromtimestamp(0, UTC)
    failures = 1 if any(each.uidl == uidl for each in session.tally.proven) else 0
    return Setback(failures, session.parts.clock.now(), str(error), kind=Why.UNDELETED, tried=tried)


def _count(session: Session, *, is_apart: bool) -> None:
    """Note what failed, and say what is set aside by that."""
    tally, ledger = session.tally, session.parts.ledger
    if not tally.errors and not tally.removed and not tally.undeleted:
        return
    before = ledger.setbacks(session.mailbox.key)
    failed = {
        listed: _setback(listed, error, before, session)
        for listed, error in tally.errors.items()
        if speaks_against_message(error)
    }
    failed |= {listed: _removed(listed, session) for listed in tally.removed}
    failed |= {
        Listed(0, uidl): _undeleted(uidl, error, session, is_apart=is_apart)
        for uidl, error in tally.undeleted.items()
    }
    if not failed:
        return
    held = set(ledger.note_setbacks(session.mailbox.key, failed))
    after = ledger.setbacks(session.mailbox.key)
    for listed, setback in failed.items():
        if why := after[listed.uidl].held:
            tally.failing[listed.uidl] = why
        if setback.kind in WAITING or listed in held:
            _log.warning(
                _EVENTS.get(setback.kind, events.MESSAGE_QUARANTINED),
                uidl=uidl_text(listed.uidl),
                octets=listed.size,
                error=setback.error,
                remedy=_remedy(setback.kind, session.mailbox.name),
            )


def _remedy(why: Why, mailbox: str) -> str:
    if why is Why.UNRECOGNISED:
        seen = invocation.command("seen", mailbox)
        return f"look into the mailbox: to leave it there, `{seen}`; to have it, `{seen} --fetch`"
    return f"it stays on the server; see `{invocation.command('quarantine', 'list')}`"


def _setback(listed: Listed, error: MailsluiceError, before: Collection[bytes], session: Session) -> Setback:
    now, tried = session.parts.clock.now(), session.parts.ledger.now()
    if isinstance(error, Substituted):
        return Setback(0, now, str(error), None, error.text[:KEPT], Why.SUBSTITUTE, tried)
    if isinstance(error, Unrecognised):
        return Setback(0, now, str(error), kind=Why.UNRECOGNISED, tried=tried)
    kind = Why.REFUSED if isinstance(error, CommandRefused) else Why.BROKE
    return Setback(_is_to_blame(listed, kind, before, session), now, str(error), kind=kind, tried=tried)


def _is_to_blame(listed: Listed, kind: Why, before: Collection[bytes], session: Session) -> bool:
    """Whether this session speaks against the message: the server handed out another, or its own header.

    One of a long row is excused, unless it failed `before`, too, and none that failed before came: behind a
    quota they do.
    """
    tally = session.tally
    if listed in tally.excused:
        came = not tally.failed_before <= set(before)
        if came or not tally.fetched or listed.uidl not in before:
            return False
    if tally.fetched or listed in tally.proven:
        return True
    if kind is Why.BROKE or session.client.deleted:  # nothing can be asked any more, or should not be
        return False
    try:
        ask(listed, session)
    except (ServerError, Untold):
        return False
    return True


def note_closed_door(messages: Sequence[Listed], error: ServerError, session: Session) -> None:
    """Note that no session apart could be had for these: what was to be fetched so is tried after all others.

    Some servers let nobody in twice within a minute.
    """
    ledger, key = session.parts.ledger, session.mailbox.key
    now, before = session.parts.clock.now(), ledger.setbacks(key)
    again = {
        listed: Setback(0, now, str(error), listed.size, kind=Why.REFUSED, tried=before[listed.uidl].tried)
        for listed in messages
        if listed.uidl in before and before[listed.uidl].kind is Why.BROKE
    }
    ledger.note_setbacks(key, again)


def _removed(listed: Listed, session: Session) -> Setback:
    now, tried = session.parts.clock.now(), session.parts.ledger.now()
    # A program that takes many and leaves none is at fault itself.
    failures = 0 if len(session.tally.removed) > MANY and not session.tally.stored else 1
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
