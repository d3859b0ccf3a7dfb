"""Sifting: of many new messages, those that only came back are told by TOP, and not fetched again.

Owns how many are too many, and how long headers are asked for. Must never decide what came back: that is
`returning`, which looks at whatever is fetched, too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mailsluice.errors import CommandRefused, Phase, Unrecognised
from mailsluice.model import Listed
from mailsluice.session.asking import Untold, ask
from mailsluice.session.context import Session

MOST_BY_RETR = 64
"""So many new messages are told by the header of what is fetched; where there are more, TOP is cheaper."""

SECONDS = 300.0
"""So long at most headers are asked for in one poll; the next one goes on."""

_AT_ONCE = 64
"""Messages that share a commit."""


def sifted(new: Sequence[Listed], session: Session) -> Sequence[Listed]:
    """Those of the new messages that are to be fetched, in their order. Raises LedgerError, ServerError.

    Many are asked for their headers before, newest first; what is not reached waits for the next poll.
    """
    if len(new) <= MOST_BY_RETR or not session.returning.possible or not session.client.has_top():
        return new
    session.context.progress.phase(session.mailbox, Phase.RETRIEVE)
    failed = session.context.ledger.failures.read(session.mailbox.key)
    wanted = {listed for listed in new if listed.uidl in failed}  # TOP may end the session, too
    clock = session.context.clock
    end = clock.monotonic() + SECONDS
    newest = [listed for listed in reversed(new) if listed not in wanted]
    for start in range(0, len(newest), _AT_ONCE):
        if session.ending or clock.monotonic() >= end:
            break
        wanted.update(_unknown(newest[start : start + _AT_ONCE], session))
        session.returning.conclude()
    return [listed for listed in new if listed in wanted]


def _unknown(some: Collection[Listed], session: Session) -> Sequence[Listed]:
    """Those that did not come back: those whose headers are not told are judged when they are fetched."""
    found = []
    for listed in some:
        try:
            if session.returning.is_back(listed, ask(listed, session)):
                session.counts.wanted -= 1
                continue
        except Unrecognised as error:
            session.counts.errors[listed] = error
            continue
        except (Untold, CommandRefused):
            pass
        found.append(listed)
    return found
