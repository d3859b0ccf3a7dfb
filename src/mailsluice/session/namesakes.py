"""Namesakes: several messages that a listing has under one UIDL are told apart by their headers.

Owns the UIDLs that they get instead; these are the same in every session. Must never decide what is done with
a message: that is `policy`, which treats these UIDLs like any others.
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
from mailsluice.session.asking import HeaderRefused, ask
from mailsluice.session.context import Session

MOST = 1000
"""At most this many headers are asked for in one poll, of the newest messages; the others are held."""

SECONDS = 300.0
"""Headers are asked for during at most this time; the messages not reached are held until the next poll."""

_log = get_logger(__name__)


def told_apart(listing: Listing, session: Session) -> Listing:
    """The listing, in which messages that share a UIDL have UIDLs of their own. The client uses these, too.

    Messages keep the shared UIDL if the server does not give their headers, or if that UIDL was marked as
    seen. Raises LedgerError and ServerError.
    """
    twice = listed_twice(listing)
    if not twice:
        return listing
    known = session.context.ledger.messages.recall(session.mailbox.key, twice).known
    seen = {uidl for uidl in twice if uidl in known and known[uidl].state is State.SEEN}
    namesakes = [listed for listed in listing if listed.uidl in twice - seen]
    events.name_messages(_log, events.UIDL_AMBIGUOUS, namesakes)
    identities = _identities(namesakes[: -MOST - 1 : -1], session)  # the last MOST, the newest first
    uidls: dict[int, bytes] = {}
    alike: Counter[bytes] = Counter()
    for listed in namesakes:
        if listed.number in identities:
            uidl = listed.uidl + b" " + identities[listed.number]
            uidls[listed.number] = uidl + b"+%d" % alike[uidl] if alike[uidl] else uidl
            alike[uidl] += 1
    without_header = [listed for listed in namesakes if listed.number not in identities]
    still_shared = Counter(listed.uidl for listed in without_header)
    for listed in without_header:
        # If one message is left under the server's UIDL, it would look like the one message of that UIDL,
        # although nothing says which of them it is.
        if still_shared[listed.uidl] == 1:
            uidls[listed.number] = listed.uidl + b" ?"
    return session.client.tell_apart(uidls)


def _identities(messages: list[Listed], session: Session) -> dict[int, bytes]:
    """The identity of each message whose header the server gives, by message number; without white space."""
    ledger, clock = session.context.ledger, session.context.clock
    failures, now = ledger.failures.read(session.mailbox.key), ledger.now()
    end = clock.monotonic() + SECONDS
    identities = {}
    for listed in messages:
        failure = failures.get(listed.uidl)
        if failure is not None and failure.kind is Why.SILENT and not is_due(failure, now):
            continue  # its header ended a session
        if session.ending or clock.monotonic() >= end:
            break
        try:
            who = identity(ask(listed, session))
        except HeaderRefused:
            continue
        except CommandRefused:  # it has no TOP
            break
        if who is not None:
            identities[listed.number] = who.hex().encode()
    return identities
