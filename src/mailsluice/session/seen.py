"""Seen: what an administrator says of the messages on the server, instead of fetching them.

Owns the ways on for messages that nothing recognises, and the marking of old mail. Must never fetch or delete
a message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from mailsluice.config.models import Mailbox
from mailsluice.errors import CommandRefused, ServerError
from mailsluice.message.header import Header
from mailsluice.message.identity import identity, is_strong
from mailsluice.model import Known, Listed
from mailsluice.policy.plan import ON_RECORD
from mailsluice.policy.sameness import is_familiar, listed_twice
from mailsluice.session.context import Context
from mailsluice.session.ports import Client
from mailsluice.session.recovery import recover

MOST_LOST = 3
"""So many sessions may be lost to headers; then it is not the headers."""


class Way(Enum):
    """What is to become of messages that are on the server and not known."""

    MARK = "never fetch them"
    ADOPT = "find out which of them are known under another UIDL; fetch the rest"
    FETCH = "fetch them all"


@dataclass(frozen=True, slots=True)
class Settled:
    """How a mailbox was settled, in numbers of messages.

    `marked`: never to be fetched. `adopted`: known by header under a new UIDL. `new`: to be fetched by the
    next poll. `gone`: not on the server any more. `untold`: those whose header the server or its sender kept
    to themselves; old ones stay held.
    """

    marked: int = 0
    adopted: int = 0
    new: int = 0
    gone: int = 0
    untold: int = 0


def settle(mailbox: Mailbox, way: Way, context: Context) -> Settled:
    """Settle what is on the server the way an administrator chose. Raises MailsluiceError."""
    key, ledger = mailbox.key, context.ledger
    with ledger.leases.hold(key):
        recover(key, mailbox.name, context)
        with _opened(mailbox, context) as client:
            listing = client.listing()
            client.quit()
        if way is Way.MARK:
            return Settled(marked=ledger.messages.mark_seen(key, listing, ledger.now()))
        known = ledger.messages.known(key)
        unknown, missing = _unknown(listing, known), _missing(listing, known)
        told = _identities(unknown, mailbox, context) if way is Way.ADOPT else {}
        renamed = _matched(told, missing, ledger.messages.identities(key))
        decided = told if way is Way.ADOPT else unknown
        untold = len(unknown) - len(decided)
        # Polls may know the others again, where not all was told, or some share a UIDL.
        is_settled = not untold and not listed_twice(listing)
        gone = [uidl for uidl in missing if uidl not in renamed] if is_settled else []
        ledger.messages.settle(key, renamed, gone, ledger.now(), decided=[listed.uidl for listed in decided])
    return Settled(
        adopted=len(renamed),
        new=len(decided) - len(renamed),
        gone=sum(known[uidl].gone_since is None for uidl in gone),
        untold=untold,
    )


@contextmanager
def _opened(mailbox: Mailbox, context: Context) -> Iterator[Client]:
    login = context.credentials.login(mailbox)
    with context.connect(mailbox) as client:
        client.authenticate(mailbox.address, login)
        yield client


def _unknown(listing: Sequence[Listed], known: Mapping[bytes, Known]) -> list[Listed]:
    """The messages that are not known under their UIDL, if it is theirs alone."""
    twice = listed_twice(listing)
    return [
        listed
        for listed in listing
        if listed.uidl not in twice and not is_familiar(listed, known.get(listed.uidl))
    ]


def _missing(listing: Sequence[Listed], known: Mapping[bytes, Known]) -> list[bytes]:
    """What the ledger has and the listing has not, or has in the place of another message."""
    there = {listed.uidl for listed in listing if is_familiar(listed, known.get(listed.uidl))}
    return [uidl for uidl, row in known.items() if uidl not in there and row.state in ON_RECORD]


def _identities(messages: Sequence[Listed], mailbox: Mailbox, context: Context) -> dict[Listed, bytes]:
    """The identity of each message whose header the server tells and says enough.

    In as many sessions as it takes. A message that ends its session is passed over; but if MOST_LOST do, the
    error is raised.
    """
    told: dict[Listed, bytes] = {}
    waiting = list(reversed(messages))
    lost = 0
    while waiting:
        with _opened(mailbox, context) as client:
            numbers = {listed.uidl: listed for listed in client.listing()}
            try:
                _ask(waiting, numbers, client, told)
                client.quit()
            except ServerError:
                lost += 1
                if lost == MOST_LOST:
                    raise
    return told


def _ask(
    waiting: list[Listed], numbers: Mapping[bytes, Listed], client: Client, told: dict[Listed, bytes]
) -> None:
    """Ask for headers from the end of `waiting` until it is empty or the session has lasted long."""
    while waiting and not client.expiring:
        listed = waiting.pop()
        if listed.uidl not in numbers:
            continue
        try:
            who = identity(Header(client.header(numbers[listed.uidl])))
        except CommandRefused:
            continue
        if who is not None and is_strong(who):
            told[listed] = who


def _matched(
    told: Mapping[Listed, bytes], missing: Sequence[bytes], identities: Mapping[bytes, bytes]
) -> dict[bytes, Listed]:
    """For each missing message the listed one that is the same; copies of one are matched one by one."""
    waiting: dict[bytes, list[bytes]] = {}
    for uidl in missing:
        if uidl in identities:
            waiting.setdefault(identities[uidl], []).append(uidl)
    return {waiting[who].pop(): listed for listed, who in told.items() if waiting.get(who)}
