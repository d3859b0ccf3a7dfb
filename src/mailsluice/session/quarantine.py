"""Quarantine: messages that cannot be fetched or deleted are counted, and set aside after several failures.

Owns which failures count against a message, and which against its server. Must never delete a message, nor
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
from mailsluice.session.asking import HeaderRefused, ask
from mailsluice.session.context import Session
from mailsluice.session.triage import is_explained

MANY = 10
"""If another program removes more messages than this and leaves none, no message is to blame."""

_EVENTS = {
    Why.SUBSTITUTE: events.MESSAGE_SUBSTITUTED,
    Why.UNRECOGNISED: events.MESSAGE_UNRECOGNISED,
    Why.UNDELETED: events.MESSAGE_UNDELETABLE,
}
KEPT = 64 * 1024
"""Octets of a header that the ledger keeps, for people. It is a limit because each poll reads them."""

_log = get_logger(__name__)


def speaks_against_message(error: MailsluiceError) -> bool:
    """Whether the message may be the cause of this error, which came while the message arrived.

    It is not if we caused the error, or if the session ended with words that have another explanation. A
    refusal may count even with such words, because a server may give them for one message for ever.
    """
    if not error.outcome.of_message:
        return False
    return isinstance(error, CommandRefused) or not is_explained(error)


@contextmanager
def counting(session: Session, *, is_apart: bool = False) -> Iterator[None]:
    """Count what the work within could not fetch or delete, however it ends; log what is set aside.

    `is_apart`: the session only has to delete one message.
    """
    try:
        with telling_undeleted(session):
            yield
    finally:
        _count(session, is_apart=is_apart)


@contextmanager
def telling_undeleted(session: Session) -> Iterator[None]:
    """If the session ends at a deletion in the work within, count that message."""
    try:
        yield
    except ServerError as error:
        if error.phase is Phase.DELETE and (uidl := session.client.deleting) is not None:
            session.counts.undeleted[uidl] = error
        raise


def _undeleted(uidl: bytes, error: ServerError, session: Session, *, is_apart: bool) -> Failure:
    """The failure of a message at whose deletion the session ended.

    The deletion is tried apart: in the same or the next poll the first time, then once an hour.
    """
    # A time long ago makes it due at once.
    tried = session.context.ledger.now() if is_apart else datetime.fromtimestamp(0, UTC)
    times = 1 if any(listed.uidl == uidl for listed in session.counts.proven) else 0
    return Failure(times, session.context.clock.now(), str(error), kind=Why.UNDELETED, tried=tried)


def _count(session: Session, *, is_apart: bool) -> None:
    """Note which messages failed, and log which are set aside because of it."""
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
        return f"look into the mailbox; to leave the message there: `{seen}`; to fetch it: `{seen} --fetch`"
    return f"the message stays on the server; see `{invocation.command('quarantine', 'list')}`"


def _failure(listed: Listed, error: MailsluiceError, before: Collection[bytes], session: Session) -> Failure:
    now, tried = session.context.clock.now(), session.context.ledger.now()
    if isinstance(error, Substituted):
        return Failure(0, now, str(error), None, error.text[:KEPT], Why.SUBSTITUTE, tried)
    if isinstance(error, Unrecognised):
        return Failure(0, now, str(error), kind=Why.UNRECOGNISED, tried=tried)
    kind = Why.REFUSED if isinstance(error, CommandRefused) else Why.BROKE
    return Failure(_is_to_blame(listed, kind, before, session), now, str(error), kind=kind, tried=tried)


def _is_to_blame(listed: Listed, kind: Why, before: Collection[bytes], session: Session) -> bool:
    """Whether this session counts against the message: the server gave another message, or this one's header.

    A message of a long row of refusals is excused. But it is blamed if it failed `before`, and if no message
    that failed before came now: behind a quota some of them would come.
    """
    counts = session.counts
    if listed in counts.excused:
        # A message that came has no failure in the ledger any more: its commit removed that.
        some_came = not counts.failed_before <= set(before)
        if some_came or not counts.fetched or listed.uidl not in before:
            return False
    if counts.fetched or listed in counts.proven:
        return True
    # The session is over; or asking could end it, and with it the deletions that are marked.
    if kind is Why.BROKE or session.client.deleted:
        return False
    try:
        ask(listed, session)
    except (ServerError, HeaderRefused):
        return False
    return True


def note_closed_door(messages: Sequence[Listed], error: ServerError, session: Session) -> None:
    """Note that the server let in no session apart for these messages: they are tried after all others.

    Some servers do not allow a second login within a minute.
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
    # If a program removes many and leaves none, it is to blame, and not the messages.
    times = 0 if len(session.counts.removed) > MANY and not session.counts.stored else 1
    error = "removed from staging by another program"
    return Failure(times, now, error, listed.size, kind=Why.REMOVED, tried=tried)


def describe(listing: Sequence[Listed], session: Session) -> None:
    """Ask once for the header of each message in quarantine, so that people can recognise the message.

    An empty header is noted before it is asked for. Otherwise a message that ends the session here would end
    every session.
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
