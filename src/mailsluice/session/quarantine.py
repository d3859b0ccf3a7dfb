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
    MailsluiceError,
    Phase,
    ServerError,
    Substituted,
    Unrecognised,
)
from mailsluice.failure import WAITING, Failure, Why
from mailsluice.model import Listed, uidl_text
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.session.asking import Untold, ask
from mailsluice.session.context import Session
from mailsluice.session.triage import is_explained

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
    if not error.outcome.of_message:
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
    """Counts the message at whose deletion the session ends, if the work within ends so."""
    try:
        yield
    except ServerError as error:
        if error.phase is Phase.DELETE and (uidl := session.client.deleting) is not None:
            session.counts.undeleted[uidl] = error
        raise


def _undeleted(uidl: bytes, error: ServerError, session: Session, *, is_apart: bool) -> Failure:
    """One at whose deletion the session ended: that is tried apart, at once the first time, then hourly."""
    tried = session.context.ledger.now() if is_apart else datetime.fromtimestamp(0, UTC)
    failures = 1 if any(each.uidl == uidl for each in session.counts.proven) else 0
    return Failure(failures, session.context.clock.now(), str(error), kind=Why.UNDELETED, tried=tried)


def _count(session: Session, *, is_apart: bool) -> None:
    """Note what failed, and say what is set aside by that."""
    counts, ledger = session.counts, session.context.ledger
    if not counts.errors and not counts.removed and not counts.undeleted:
        return
    before = ledger.failures.read(session.mailbox.key)
    failed = {
        listed: _failure(listed, error, before, session)
        for listed, error in counts.errors.items()
        if speaks_against_message(error)
    }
    failed |= {listed: _removed(listed, session) for listed in counts.removed}
    failed |= {
        Listed(0, uidl): _undeleted(uidl, error, session, is_apart=is_apart)
        for uidl, error in counts.undeleted.items()
    }
    if not failed:
        return
    held = set(ledger.failures.note(session.mailbox.key, failed))
    after = ledger.failures.read(session.mailbox.key)
    for listed, failure in failed.items():
        if why := after[listed.uidl].held:
            counts.failing[listed.uidl] = why
        if failure.kind in WAITING or listed in held:
            _log.warning(
                _EVENTS.get(failure.kind, events.MESSAGE_QUARANTINED),
                uidl=uidl_text(listed.uidl),
                octets=listed.size,
                error=failure.error,
                remedy=_remedy(failure.kind, session.mailbox.name),
            )


def _remedy(why: Why, mailbox: str) -> str:
    if why is Why.UNRECOGNISED:
        seen = invocation.command("seen", mailbox)
        return f"look into the mailbox: to leave it there, `{seen}`; to have it, `{seen} --fetch`"
    return f"it stays on the server; see `{invocation.command('quarantine', 'list')}`"


def _failure(listed: Listed, error: MailsluiceError, before: Collection[bytes], session: Session) -> Failure:
    now, tried = session.context.clock.now(), session.context.ledger.now()
    if isinstance(error, Substituted):
        return Failure(0, now, str(error), None, error.text[:KEPT], Why.SUBSTITUTE, tried)
    if isinstance(error, Unrecognised):
        return Failure(0, now, str(error), kind=Why.UNRECOGNISED, tried=tried)
    kind = Why.REFUSED if isinstance(error, CommandRefused) else Why.BROKE
    return Failure(_is_to_blame(listed, kind, before, session), now, str(error), kind=kind, tried=tried)


def _is_to_blame(listed: Listed, kind: Why, before: Collection[bytes], session: Session) -> bool:
    """Whether this session speaks against the message: the server handed out another, or its own header.

    One of a long row is excused, unless it failed `before`, too, and none that failed before came: behind a
    quota they do.
    """
    counts = session.counts
    if listed in counts.excused:
        came = not counts.failed_before <= set(before)
        if came or not counts.fetched or listed.uidl not in before:
            return False
    if counts.fetched or listed in counts.proven:
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
    ledger, key = session.context.ledger, session.mailbox.key
    now, before = session.context.clock.now(), ledger.failures.read(key)
    again = {
        listed: Failure(0, now, str(error), listed.size, kind=Why.REFUSED, tried=before[listed.uidl].tried)
        for listed in messages
        if listed.uidl in before and before[listed.uidl].kind is Why.BROKE
    }
    ledger.failures.note(key, again)


def _removed(listed: Listed, session: Session) -> Failure:
    now, tried = session.context.clock.now(), session.context.ledger.now()
    # A program that takes many and leaves none is at fault itself.
    failures = 0 if len(session.counts.removed) > MANY and not session.counts.stored else 1
    error = "removed from staging by another program"
    return Failure(failures, now, error, listed.size, kind=Why.REMOVED, tried=tried)


def describe(listing: Sequence[Listed], session: Session) -> None:
    """Ask once for the header of each message in quarantine, for people to know it by.

    That it was asked for is noted before, lest a message that ends the session here ends every session.
    """
    ledger, key = session.context.ledger, session.mailbox.key
    failures = ledger.failures.read(key)
    if not failures:
        return
    for listed in listing:
        failure = failures.get(listed.uidl)
        if failure is None or not failure.quarantined or failure.header is not None:
            continue
        if session.ending:
            break
        ledger.failures.note_header(key, listed.uidl, b"")
        try:
            header = session.client.header(listed)
        except CommandRefused:
            continue
        ledger.failures.note_header(key, listed.uidl, header[:KEPT])
