"""A batch: messages made durable together, in the order that loses none and repeats none.

Owns rows 1 to 6 of the table in docs/crash-safety.md: RETR → stage → record → publish → commit → forget →
DELE. Must never decide what to fetch (that is `policy`), nor touch a file or the wire itself.
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
"""At most this many messages share their syncs and commits. More would gain little, and after a crash more
messages would be fetched again."""

FIRST = 64
"""A session's first batch has this many messages, and each later one twice as many as the last. A nearly full
disk may have room for a small batch only (docs/adr/0010-one-batch-at-a-time.md)."""

OCTETS = 16 * 2**20
"""A batch ends when it has this many octets, so that large messages do not stay in staging for long."""

SECONDS = 2.0
"""A batch ends after this time, so that consumers soon see what has come, also over a slow line."""

_log = get_logger(__name__)


def deliver(arrivals: Iterable[Arrival], most: int, session: Session) -> None:
    """Receive a batch of at most `most` messages, make it durable and visible, and delete it on the server.

    It is deleted only if the mailbox says so. If the connection or the disk fails on the way, the messages
    that are whole by then are still delivered, and the error is raised after that. Raises what the ports
    raise.
    """
    with session.staging.batch() as batch:
        failure = _receive(arrivals, most, batch, session)
        staged = _stage(batch, failure)
        # Before new rows are recorded: one may need the UIDL that a message which came back had before.
        session.returning.conclude()
        permits = _store(staged, batch, session, leaving=failure is None)
        if failure is not None:
            raise failure
        if session.mailbox.leave_on_server is False:
            batch.refuse_if_lost()
            session.client.delete(permits)


def _store(
    staged: Sequence[Staged], batch: Batch, session: Session, *, leaving: bool
) -> Sequence[DeletePermit]:
    """Record, publish and commit what is staged. Returns permits for the messages that may be deleted.

    `leaving`: the server is asked next to delete what the policy deletes.

    The rows of messages that another program removed from staging are taken back. These messages are still on
    the server, and come again.
    """
    key, ledger = session.mailbox.key, session.context.ledger
    note_where(batch.where, session.mailbox, session.context)
    ledger.messages.replaced(key, session.questions.about(staged), ledger.now())
    ledger.messages.record(key, staged, batch.where.sink, ledger.now())
    # The claim has the number of the ledger's writes, by which an older copy of the ledger is recognised.
    session.staging.note(ledger.messages.commits(key))
    stored = batch.publish()
    ledger.messages.take_back(key, batch.vanished)
    batch.refuse_if_lost()  # a poll that lost its staging must not commit (docs/adr/0014-holding-a-sink.md)
    _report_vanished(batch, session)
    leaving = leaving and session.mailbox.leave_on_server is False
    permits = ledger.messages.commit(key, stored, ledger.now(), leaving=leaving)
    session.counts.stored += len(permits)
    session.counts.done(permit.uidl for permit in permits)
    _count_shared(staged, session)
    session.staging.note(ledger.messages.commits(key))
    session.staging.forget(stored)
    return _without_notices(permits, session)


def _count_shared(staged: Sequence[Staged], session: Session) -> None:
    """Count how many of these deliveries other configured mailboxes have, too."""
    live = session.context.live
    if len(live) > 1:
        identities = [new.identity for new in staged if new.identity and is_strong(new.identity)]
        also = session.context.ledger.aliases.also_in(session.mailbox.key, identities)
        session.counts.shared.update({key: count for key, count in also.items() if key in live})


def _without_notices(permits: Sequence[DeletePermit], session: Session) -> Sequence[DeletePermit]:
    """The permits without those for notices: a notice that was stored must not delete the real message."""
    kept = [permit.uidl for permit in permits if permit.uidl in session.counts.notices]
    session.context.ledger.messages.stays(session.mailbox.key, kept)
    return [permit for permit in permits if permit.uidl not in kept]


def _report_vanished(batch: Batch, session: Session) -> None:
    """Log and count what another program removed from staging.

    This counts against a message, unless the whole directory was removed.
    """
    vanished, sink = batch.vanished, batch.where.sink
    session.counts.vanished += len(vanished)
    if vanished and batch.swept_away:
        _log.warning(events.STAGING_REMOVED, sink=sink, messages=len(vanished))
        return
    session.counts.removed += [Listed(0, removed.uidl, removed.listed_size) for removed in vanished]
    for removed in vanished[: events.MOST_NAMED]:
        _log.warning(
            events.MESSAGE_REMOVED,
            uidl=uidl_text(removed.uidl),
            name=removed.name,
            sink=sink,
            remedy="find out which program takes or removes files in the sink's staging directory, and keep "
            "it out",
        )
    if len(vanished) > events.MOST_NAMED:
        _log.warning(events.MESSAGE_REMOVED, sink=sink, more=len(vanished) - events.MOST_NAMED)


def _stage(batch: Batch, failure: MailsluiceError | None) -> Sequence[Staged]:
    """Stage the batch. If the sink failed before, raise that error: it says what went wrong first."""
    try:
        return batch.stage()
    except SinkError:
        if isinstance(failure, SinkError):
            raise failure from None
        raise


def _receive(
    arrivals: Iterable[Arrival], most: int, batch: Batch, session: Session
) -> MailsluiceError | None:
    """Fill the batch. Returns the error that cut it short, if there was one.

    Errors of single messages are counted.
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
                break  # the files of this batch are gone; the next batch takes the directory again
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
    """Say QUIT, so that the server deletes what was marked.

    The answer proves nothing: the next listing decides (row 6). `is_apart`: the message to delete is counted
    as undeletable already.
    """
    client = session.client
    session.counts.deleted += client.deleted
    if client.undeleted:
        _log.warning(events.DELETION_REFUSED, messages=client.undeleted)
        if not is_apart:
            # What is still listed was counted when the poll was planned.
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
    except SinkError:  # the disk failed: do not wait for the messages that the server still sends
        session.client.abandon()
        raise
    except CommandRefused as refusal:
        counts.refused += 1
        _log.warning(events.MESSAGE_REFUSED, uidl=uidl_text(listed.uidl), reply=refusal.reply)
        raise
    except MessageTooLarge as error:
        if session.questions.is_open(listed):  # it may be stored, so its row must not become an oversize one
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
    """Take a message out of the batch again if it must not be stored.

    Raises Substituted if a notice came in its place, and Unrecognised if it may be stored under another UIDL.
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
        is_stored = session.questions.is_stored(listed, passed.header) or _came_back(listed, passed, session)
    except Unrecognised:
        batch.drop()
        raise
    if is_stored:
        batch.drop()
        session.counts.wanted -= 1  # else it would be counted as waiting
        session.counts.done([listed.uidl])


def _came_back(listed: Listed, passed: Passed, session: Session) -> bool:
    """Whether this is a stored message that came back under another UIDL."""
    if session.questions.is_open(listed):  # its UIDL was known for another message
        if session.questions.newly_reused():  # then no UIDL of the mailbox is believed any more
            session.context.ledger.messages.doubt(session.mailbox.key)
        return session.returning.is_known(listed, identity(passed.header))
    return session.returning.is_back(listed, passed.header)


def note_oversize(octets: Mapping[Listed, int], mailbox: Mailbox, context: Context) -> None:
    """Report once that these messages stay on the server because they are larger than `max_message`."""
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
