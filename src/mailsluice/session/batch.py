"""A batch: messages made durable together, in the order that loses none and repeats none.

Owns the crash table's steps 1 to 6: RETR → stage → record → publish → commit → forget → DELE. Must never
decide what to fetch (that is `policy`) nor touch a file or the wire itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mailsluice.config.models import Mailbox
from mailsluice.errors import (
    CommandRefused,
    MailsluiceError,
    MessageTooLarge,
    ServerError,
    SinkError,
    StagingGone,
    Substituted,
    Unrecognised,
)
from mailsluice.failure import Held
from mailsluice.message.identity import identity, is_strong
from mailsluice.message.substitute import is_one as is_substitute
from mailsluice.model import DeletePermit, Listed, Staged, uidl_text
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.session.asking import note_silent
from mailsluice.session.context import Context, Session
from mailsluice.session.hold import note_where
from mailsluice.session.ports import Arrival, Batch, Passed
from mailsluice.session.triage import passes_by_itself

MESSAGES = 512
"""So many share their syncs and commits: more gains little, and less is fetched again after a crash."""

FIRST = 64
"""So many are in a session's first batch, and twice as many in each that follows: where there is little room
left on a disk, not for a large batch, then for a small one."""

OCTETS = 16 * 2**20
"""A batch ends once it holds so much, so that big messages are not long in staging."""

SECONDS = 2.0
"""A batch ends when so much time has passed: on a slow line, too, what has come is soon to be seen."""

_log = get_logger(__name__)


def deliver(arrivals: Iterable[Arrival], most: int, session: Session) -> None:
    """Receive a batch of these, make it durable and visible, and delete it where the mailbox says so.

    It has `most` messages at most. When the connection or the disk fails on the way, what is whole by then is
    still delivered, and the error is raised after that. Raises what the ports raise.
    """
    with session.staging.batch() as batch:
        failure = _receive(arrivals, most, batch, session)
        staged = _stage(batch, failure)
        session.returning.conclude()  # before a message is recorded under a UIDL that is to be given on
        permits = _store(staged, batch, session, leaving=failure is None)
        if failure is not None:
            raise failure
        if session.mailbox.leave_on_server is False:
            batch.refuse_if_lost()
            session.client.delete(permits)


def _store(
    staged: Sequence[Staged], batch: Batch, session: Session, *, leaving: bool
) -> Sequence[DeletePermit]:
    """Record, publish and commit what is staged; permits for what may be deleted of it.

    `leaving`: what the policy deletes is asked to be deleted next.

    What another program removed from staging is taken back: it is still on the server, and comes again.
    """
    key, ledger = session.mailbox.key, session.context.ledger
    note_where(batch.where, session.mailbox, session.context)
    ledger.messages.replaced(key, session.questions.about(staged), ledger.now())
    ledger.messages.record(key, staged, batch.where.sink, ledger.now())
    session.staging.note(ledger.messages.commits(key))
    stored = batch.publish()
    ledger.messages.take_back(key, batch.vanished)
    batch.refuse_if_lost()
    _tell_vanished(batch, session)
    leaving = leaving and session.mailbox.leave_on_server is False
    permits = ledger.messages.commit(key, stored, ledger.now(), leaving=leaving)
    session.counts.stored += len(permits)
    session.counts.done(permit.uidl for permit in permits)
    _count_twins(staged, session)
    session.staging.note(ledger.messages.commits(key))
    session.staging.forget(stored)
    return _without_kept(permits, session)


def _count_twins(staged: Sequence[Staged], session: Session) -> None:
    """Count which other mailboxes that are configured have the same deliveries."""
    live = session.context.live
    if len(live) > 1:
        identities = [each.identity for each in staged if each.identity and is_strong(each.identity)]
        also = session.context.ledger.aliases.also_in(session.mailbox.key, identities)
        session.counts.twins.update({key: count for key, count in also.items() if key in live})


def _without_kept(permits: Sequence[DeletePermit], session: Session) -> Sequence[DeletePermit]:
    """The permits for what is not to stay: a notice that was stored as it came deletes no message."""
    kept = [permit.uidl for permit in permits if permit.uidl in session.counts.notices]
    session.context.ledger.messages.stays(session.mailbox.key, kept)
    return [permit for permit in permits if permit.uidl not in kept]


def _tell_vanished(batch: Batch, session: Session) -> None:
    """Tell what another program removed from staging.

    It speaks against a message, unless the whole directory went.
    """
    vanished, sink = batch.vanished, batch.where.sink
    session.counts.vanished += len(vanished)
    if vanished and batch.swept_away:
        _log.warning(events.STAGING_REMOVED, sink=sink, messages=len(vanished))
        return
    session.counts.removed += [Listed(0, each.uidl, each.listed_size) for each in vanished]
    for each in vanished[: events.MOST_NAMED]:
        _log.warning(
            events.MESSAGE_REMOVED,
            uidl=uidl_text(each.uidl),
            name=each.name,
            sink=sink,
            remedy="see which program takes or removes files in the sink's staging directory; keep it out",
        )
    if len(vanished) > events.MOST_NAMED:
        _log.warning(events.MESSAGE_REMOVED, sink=sink, more=len(vanished) - events.MOST_NAMED)


def _stage(batch: Batch, failure: MailsluiceError | None) -> Sequence[Staged]:
    """Stage the batch. If that fails for what failed before in the sink, the first error says what it was."""
    try:
        return batch.stage()
    except SinkError:
        if isinstance(failure, SinkError):
            raise failure from None
        raise


def _receive(
    arrivals: Iterable[Arrival], most: int, batch: Batch, session: Session
) -> MailsluiceError | None:
    """Fill the batch; the error that cut it short, if one did.

    What failed with a message is tallied. When the disk fails, what is still under way from the server is
    not worth waiting for.
    """
    octets = 0
    clock = session.context.clock
    end = clock.monotonic() + SECONDS
    try:
        for taken, arrival in enumerate(arrivals, 1):
            try:
                octets += _add(arrival, batch, session)
            except StagingGone:
                session.counts.vanished += 1
                break  # what this batch has is gone; the next one takes the directory anew
            except ServerError as error:
                session.counts.failed(arrival.listed, error, passes=passes_by_itself(error))
                if not isinstance(error, CommandRefused):
                    raise
            is_full = taken == most or octets >= OCTETS or clock.monotonic() >= end
            if is_full or session.counts.gave_up or session.context.stop.is_set():
                break
    except MailsluiceError as error:
        return error
    return None


def end(session: Session, *, is_apart: bool = False) -> None:
    """Ask for what was marked to be deleted. The answer proves nothing: the next listing decides (step 6).

    `is_apart`: what is to be deleted is counted as undeletable already.
    """
    client = session.client
    session.counts.deleted += client.deleted
    if client.undeleted:
        _log.warning(events.DELETION_REFUSED, messages=client.undeleted)
        if not is_apart:
            session.counts.keep(Held.UNDELETABLE, max(0, client.undeleted - session.counts.still_listed))
    try:
        client.quit()
        session.counts.confirmed += client.deleted
    except ServerError as error:
        session.counts.unanswered += bool(client.deleted)
        _log.warning(events.QUIT_UNCONFIRMED, error=str(error), reply=error.reply, deletions=client.deleted)


def _add(arrival: Arrival, batch: Batch, session: Session) -> int:
    listed, counts = arrival.listed, session.counts
    try:
        passed = batch.add(listed, arrival.chunks, session.context.clock.now())
    except StagingGone:
        raise
    except SinkError:
        session.client.abandon()
        raise
    except CommandRefused as refusal:
        counts.refused += 1
        _log.warning(events.MESSAGE_REFUSED, uidl=uidl_text(listed.uidl), reply=refusal.reply)
        raise
    except MessageTooLarge as error:
        if session.questions.is_open(listed):  # it may be stored: a row that says so must stay
            note_silent(listed, error, session)
            session.counts.failing[listed.uidl] = Held.UNCLEAR
        else:
            session.counts.failing[listed.uidl] = Held.TOO_LARGE
            note_oversize({listed: error.octets}, session.mailbox, session.context)
        raise
    counts.came()
    counts.octets += passed.size
    session.context.progress.arrived(session.mailbox, passed.size)
    _judge(listed, passed, batch, session)
    return passed.size


def _judge(listed: Listed, passed: Passed, batch: Batch, session: Session) -> None:
    """Take a message out of the batch again that is not to be stored.

    Raises Substituted for a notice that came in the place of a message, and may not pass for it; Unrecognised
    for one that may be stored under another UIDL.
    """
    if is_substitute(passed.header, passed.head):
        if listed.uidl in session.as_it_comes:
            session.counts.notices.add(listed.uidl)
            return
        batch.drop()
        raise Substituted(
            "the server cannot render the message, and hands out a notice in its place", text=passed.head
        )
    try:
        is_stored = session.questions.is_stored(listed, passed.header) or _is_back(listed, passed, session)
    except Unrecognised:
        batch.drop()
        raise
    if is_stored:
        batch.drop()
        session.counts.wanted -= 1
        session.counts.done([listed.uidl])


def _is_back(listed: Listed, passed: Passed, session: Session) -> bool:
    """Whether a message only came back under another UIDL."""
    if session.questions.is_open(listed):  # another message was known under its UIDL
        if session.questions.newly_reused():
            session.context.ledger.messages.doubt(session.mailbox.key)
        return session.returning.is_known(listed, identity(passed.header))
    return session.returning.is_back(listed, passed.header)


def note_oversize(octets: Mapping[Listed, int], mailbox: Mailbox, context: Context) -> None:
    """Report, once, that these messages stay on the server because they are larger than `max_message`."""
    if not octets:
        return
    context.ledger.messages.note_oversize(mailbox.key, octets, context.ledger.now())
    for listed, size in octets.items():
        _log.warning(
            events.MESSAGE_OVERSIZE,
            uidl=uidl_text(listed.uidl),
            octets=size,
            max_message=mailbox.max_message,
            remedy="raise max_message to fetch it; until then it stays on the server",
        )
