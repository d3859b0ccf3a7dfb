"""A batch: messages made durable together, in the order that loses none and repeats none.

Owns the crash table's steps 1 to 6: RETR → stage → record → publish → commit → DELE. Must never decide what
to fetch (that is `policy`) nor touch a file or the wire itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mailsluice.config.models import Mailbox
from mailsluice.errors import CommandRefused, MailsluiceError, MessageTooLarge, ServerError, SinkError
from mailsluice.model import Listed, Staged, uidl_text
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.session.parts import Parts, Session
from mailsluice.session.ports import Arrival, Batch

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
    key, sink, ledger = session.mailbox.key, session.sink, session.parts.ledger
    with sink.batch() as batch:
        failure = _receive(arrivals, most, batch, session)
        staged = _stage(batch, failure)
    ledger.record(key, staged, sink.spec, ledger.now())
    permits = ledger.commit(key, sink.publish(staged), ledger.now())
    session.tally.stored += len(permits)
    if failure is not None:
        raise failure
    if session.mailbox.leave_on_server is False:
        session.client.delete(permits)


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
    clock = session.parts.clock
    end = clock.monotonic() + SECONDS
    try:
        for taken, arrival in enumerate(arrivals, 1):
            try:
                octets += _add(arrival, batch, session)
            except ServerError as error:
                session.tally.errors[arrival.listed] = error
                if not isinstance(error, CommandRefused):
                    raise
            is_full = taken == most or octets >= OCTETS or clock.monotonic() >= end
            if is_full or session.parts.stop.is_set():
                break
    except MailsluiceError as error:
        return error
    return None


def end(session: Session) -> None:
    """Ask for what was marked to be deleted. The answer proves nothing: the next listing decides (step 6)."""
    client = session.client
    session.tally.deleted += client.deleted
    if client.undeleted:
        _log.warning(events.DELETION_REFUSED, messages=client.undeleted)
    try:
        client.quit()
    except ServerError as error:
        _log.warning(events.QUIT_UNCONFIRMED, error=str(error), reply=error.reply)


def _add(arrival: Arrival, batch: Batch, session: Session) -> int:
    listed, tally = arrival.listed, session.tally
    try:
        octets = batch.add(listed, arrival.chunks, session.parts.clock.now())
    except SinkError:
        session.client.abandon()
        raise
    except CommandRefused as refusal:
        tally.refused += 1
        _log.warning(events.MESSAGE_REFUSED, uidl=uidl_text(listed.uidl), reply=refusal.reply)
        raise
    except MessageTooLarge as error:
        note_oversize({listed: error.octets}, session.mailbox, session.parts)
        raise
    tally.fetched += 1
    tally.octets += octets
    session.parts.progress.arrived(session.mailbox.name, octets)
    return octets


def note_oversize(octets: Mapping[Listed, int], mailbox: Mailbox, parts: Parts) -> None:
    """Report, once, that these messages stay on the server because they are larger than `max_message`."""
    if not octets:
        return
    parts.ledger.note_oversize(mailbox.key, octets, parts.ledger.now())
    for listed, size in octets.items():
        _log.warning(
            events.MESSAGE_OVERSIZE,
            uidl=uidl_text(listed.uidl),
            octets=size,
            max_message=mailbox.max_message,
            remedy="raise max_message to fetch it; until then it stays on the server",
        )
