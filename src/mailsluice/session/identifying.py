"""Identifying: the headers of messages that have no identity yet are asked for.

Messages have none if they were marked as seen, or if an older version of the ledger stored them. Owns how
many are asked for in a poll. Must never decide anything by an identity.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailsluice.errors import CommandRefused, ServerError
from mailsluice.failure import Why
from mailsluice.message.identity import identity
from mailsluice.model import Listed, Memory
from mailsluice.policy.retrying import is_due
from mailsluice.policy.sameness import needs_identity
from mailsluice.session.asking import HeaderRefused, ask
from mailsluice.session.context import Session

MOST = 200
"""At most this many headers are asked for in one poll; the next poll goes on."""

_NOTHING = b""
"""Noted if a header gives no identity, or the server does not give the header: it is not asked for again."""


def identify(listing: Sequence[Listed], memory: Memory, session: Session) -> None:
    """Note the identities of some messages, newest first. Raises LedgerError and ServerError.

    Nothing is asked for in a session that has marked messages to be deleted: if a header ended the session,
    the deletions would be lost. After a header ended a session, nothing is asked for during a day or more.
    """
    now = session.context.ledger.now()
    broke = any(
        failure.kind is Why.SILENT and not is_due(failure, now) for failure in memory.failures.values()
    )
    if broke or session.client.deleted:
        return
    asked = [listed for listed in reversed(listing) if needs_identity(listed, memory.known)]
    if asked:
        found: dict[bytes, bytes] = {}
        try:
            _ask(asked, found, session)
        finally:
            session.context.ledger.messages.identify(session.mailbox.key, found)


def _ask(asked: Sequence[Listed], found: dict[bytes, bytes], session: Session) -> None:
    """Ask for these headers, and put the identities into `found`, by UIDL.

    If the server gives no header at all, it may have a bad hour. Then nothing is noted, and the next poll
    asks again.
    """
    refused = []
    for listed in asked[:MOST]:
        if session.ending:
            break
        try:
            found[listed.uidl] = identity(ask(listed, session)) or _NOTHING
        except HeaderRefused:
            refused.append(listed.uidl)
        except CommandRefused:  # it has no TOP
            found.update(dict.fromkeys((listed.uidl for listed in asked), _NOTHING))
            return
        except ServerError:
            found[listed.uidl] = _NOTHING  # else this header would end a session again and again
            raise
    if found:
        found.update(dict.fromkeys(refused, _NOTHING))
