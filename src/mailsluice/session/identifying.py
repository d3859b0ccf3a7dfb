"""Identifying: messages that have no identity yet are asked for their headers.

Owns how many at once. Those that were marked as seen, or came to the ledger from elsewhere, have none. Must
never decide anything by an identity.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailsluice.errors import CommandRefused, ServerError
from mailsluice.failure import Why
from mailsluice.message.identity import identity
from mailsluice.model import Listed, Memory
from mailsluice.policy.retrying import is_due
from mailsluice.policy.sameness import needs_identity
from mailsluice.session.asking import Untold, ask
from mailsluice.session.context import Session

MOST = 200
"""So many are asked for in one poll; the next one goes on."""

_NOTHING = b""
"""What is noted where a header tells nothing, or is not told: it is asked for no more."""


def identify(listing: Sequence[Listed], memory: Memory, session: Session) -> None:
    """Note the identities of some messages, newest first. Raises LedgerError, and ServerError.

    Not in a session that has marked anything to be deleted, which would be lost with it; and not for a while
    after a header ended one.
    """
    now = session.context.ledger.now()
    broke = any(each.kind is Why.SILENT and not is_due(each, now) for each in memory.failures.values())
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
    """Ask for these, and put what was found into `found`, by UIDL.

    A server that tells no header at all may have a bad hour: it is asked again.
    """
    untold = []
    for listed in asked[:MOST]:
        if session.ending:
            break
        try:
            found[listed.uidl] = identity(ask(listed, session)) or _NOTHING
        except Untold:
            untold.append(listed.uidl)
        except CommandRefused:  # it has no TOP
            found.update(dict.fromkeys((each.uidl for each in asked), _NOTHING))
            return
        except ServerError:
            found[listed.uidl] = _NOTHING
            raise
    if found:
        found.update(dict.fromkeys(untold, _NOTHING))
