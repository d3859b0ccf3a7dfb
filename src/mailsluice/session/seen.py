"""Seen: an administrator says what to do with messages on the server that are not known.

Owns how old mail is marked as seen, and how messages that nothing recognises are settled. Must never fetch or
delete a message.
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
from mailsluice.session.explaining import explained
from mailsluice.session.ports import Client
from mailsluice.session.recovery import recover

MOST_LOST = 3
"""If this many sessions end while headers are asked for, the headers are not the cause."""


class Way(Enum):
    """What to do with messages that are on the server and not known."""

    MARK = "never fetch them"
    ADOPT = "find out which of them are known under another UIDL; fetch the rest"
    FETCH = "fetch them all"


@dataclass(frozen=True, slots=True)
class Settled:
    """How a mailbox was settled, in numbers of messages.

    `marked` are never fetched. `adopted` were recognised by their headers under new UIDLs. `new` will be
    fetched by the next poll. `gone` are not on the server any more. `unclear` could not be recognised: the
    server did not give the header, or the header says too little. Old ones of them stay held.
    """

    marked: int = 0
    adopted: int = 0
    new: int = 0
    gone: int = 0
    unclear: int = 0


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
        identities = _identities(unknown, mailbox, context) if way is Way.ADOPT else {}
        renamed = _matched(identities, missing, ledger.messages.identities(key))
        decided = identities if way is Way.ADOPT else unknown
        unclear = len(unknown) - len(decided)
        # The missing ones are gone only if every message is decided. Otherwise a later poll may find them.
        is_settled = not unclear and not listed_twice(listing)
        gone = [uidl for uidl in missing if uidl not in renamed] if is_settled else []
        ledger.messages.settle(key, renamed, gone, ledger.now(), decided=[listed.uidl for listed in decided])
    return Settled(
        adopted=len(renamed),
        new=len(decided) - len(renamed),
        gone=sum(known[uidl].gone_since is None for uidl in gone),
        unclear=unclear,
    )


@contextmanager
def _opened(mailbox: Mailbox, context: Context) -> Iterator[Client]:
    login = context.credentials.login(mailbox)
    with explained(login, mailbox, context), context.connect(mailbox) as client:
        client.authenticate(mailbox.address, login)
        yield client


def _unknown(listing: Sequence[Listed], known: Mapping[bytes, Known]) -> list[Listed]:
    """The messages that are not known under their UIDLs, without those that share a UIDL."""
    twice = listed_twice(listing)
    return [
        listed
        for listed in listing
        if listed.uidl not in twice and not is_familiar(listed, known.get(listed.uidl))
    ]


def _missing(listing: Sequence[Listed], known: Mapping[bytes, Known]) -> list[bytes]:
    """The UIDLs of known messages that are not listed, or whose UIDLs stand for other messages now."""
    there = {listed.uidl for listed in listing if is_familiar(listed, known.get(listed.uidl))}
    return [uidl for uidl, row in known.items() if uidl not in there and row.state in ON_RECORD]


def _identities(messages: Sequence[Listed], mailbox: Mailbox, context: Context) -> dict[Listed, bytes]:
    """The identity of each message whose header the server gives and which says enough.

    This takes as many sessions as necessary. A message that ends its session is left out. If MOST_LOST
    sessions end so, the error is raised.
    """
    identities: dict[Listed, bytes] = {}
    waiting = list(reversed(messages))
    lost = 0
    while waiting:
        with _opened(mailbox, context) as client:
            # Message numbers are valid in one session only (RFC 1939 §5): take this session's.
            numbers = {listed.uidl: listed for listed in client.listing()}
            try:
                _ask(waiting, numbers, client, identities)
                client.quit()
            except ServerError:
                lost += 1
                if lost == MOST_LOST:
                    raise
    return identities


def _ask(
    waiting: list[Listed], numbers: Mapping[bytes, Listed], client: Client, identities: dict[Listed, bytes]
) -> None:
    """Ask for headers from the end of `waiting` until it is empty or the session has lasted long."""
    while waiting and not client.expiring:
        listed = waiting.pop()  # first, so that a header that ends this session does not end the next one
        if listed.uidl not in numbers:
            continue
        try:
            who = identity(Header(client.header(numbers[listed.uidl])))
        except CommandRefused:
            continue
        if who is not None and is_strong(who):
            identities[listed] = who


def _matched(
    listed: Mapping[Listed, bytes], missing: Sequence[bytes], known: Mapping[bytes, bytes]
) -> dict[bytes, Listed]:
    """The listed message for each missing one that has the same identity; copies are matched one by one.

    `listed` and `known` have the identities of the listed messages, and of those that the ledger knows.
    """
    by_identity: dict[bytes, list[bytes]] = {}
    for uidl in missing:
        if uidl in known:
            by_identity.setdefault(known[uidl], []).append(uidl)
    return {by_identity[who].pop(): message for message, who in listed.items() if by_identity.get(who)}
