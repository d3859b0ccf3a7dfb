"""Namesakes: messages that a listing has under one UIDL, told apart by their headers.

Owns the UIDLs that they get instead, which are the same in every session. Must never decide what is done with
a message: that is `policy`, which takes these UIDLs for any others.
"""

from __future__ import annotations

from collections import Counter

from mailsluice.errors import CommandRefused
from mailsluice.failure import Why
from mailsluice.message.identity import identity
from mailsluice.model import Listed, Listing, State
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.policy.retrying import is_due
from mailsluice.policy.sameness import listed_twice
from mailsluice.session.asking import Untold, ask
from mailsluice.session.context import Session

MOST = 1000
"""So many are asked for their headers in one poll, the newest; more are held."""

SECONDS = 300.0
"""So long at most headers are asked for; those that are not reached are held till the next poll."""

_log = get_logger(__name__)


def told_apart(listing: Listing, session: Session) -> Listing:
    """The listing with UIDLs of their own for messages that share one; the client knows them, too.

    Not for those whose headers are not told, nor where the UIDL was marked as seen. Raises LedgerError, and
    ServerError.
    """
    twice = listed_twice(listing)
    if not twice:
        return listing
    known = session.context.ledger.messages.recall(session.mailbox.key, twice).known
    seen = {uidl for uidl in twice if uidl in known and known[uidl].state is State.SEEN}
    namesakes = [listed for listed in listing if listed.uidl in twice - seen]
    events.name_messages(_log, events.UIDL_AMBIGUOUS, namesakes)
    told = _told(namesakes[: -MOST - 1 : -1], session)
    names: dict[int, bytes] = {}
    alike: Counter[bytes] = Counter()
    for listed in namesakes:
        if listed.number in told:
            name = listed.uidl + b" " + told[listed.number]
            names[listed.number] = name + b"+%d" % alike[name] if alike[name] else name
            alike[name] += 1
    untold = [listed for listed in namesakes if listed.number not in told]
    alone = Counter(listed.uidl for listed in untold)
    for listed in untold:
        if alone[listed.uidl] == 1:  # it must not pass for all of them
            names[listed.number] = listed.uidl + b" ?"
    return session.client.tell_apart(names)


def _told(messages: list[Listed], session: Session) -> dict[int, bytes]:
    """What each header is known again by, by message number, as far as it is told; no white space in it."""
    ledger, clock = session.context.ledger, session.context.clock
    failures, now = ledger.failures.read(session.mailbox.key), ledger.now()
    end = clock.monotonic() + SECONDS
    told = {}
    for listed in messages:
        failure = failures.get(listed.uidl)
        if failure is not None and failure.kind is Why.SILENT and not is_due(failure, now):
            continue
        if session.ending or clock.monotonic() >= end:
            break
        try:
            who = identity(ask(listed, session))
        except Untold:
            continue
        except CommandRefused:  # it has no TOP
            break
        if who is not None:
            told[listed.number] = who.hex().encode()
    return told
