"""Sifting: if there are many new messages, TOP shows which only came back, so that they are not fetched.

Owns how many are too many, and how long headers are asked for. Must never decide what came back: that is
`returning`, which also examines every message that is fetched.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mailsluice.errors import CommandRefused, Phase, Unrecognised
from mailsluice.model import Listed
from mailsluice.session.asking import HeaderRefused, ask
from mailsluice.session.context import Session

MOST_BY_RETR = 64
"""Up to this many new messages are fetched, and then their headers decide. For more, TOP is cheaper."""

SECONDS = 300.0
"""Headers are asked for during at most this time in one poll; the next poll goes on."""

_AT_ONCE = 64
"""This many messages share a commit."""


def sifted(new: Sequence[Listed], session: Session) -> Sequence[Listed]:
    """The new messages that must be fetched, in their order. Raises LedgerError and ServerError.

    If there are many, their headers are asked for first, the newest first. Messages that are not reached wait
    for the next poll.
    """
    if len(new) <= MOST_BY_RETR or not session.returning.possible or not session.client.has_top():
        return new
    session.context.progress.phase(session.mailbox, Phase.RETRIEVE)
    failed = session.context.ledger.failures.read(session.mailbox.key)
    # What failed before is not asked: its header may end the session, too.
    wanted = {listed for listed in new if listed.uidl in failed}
    clock = session.context.clock
    end = clock.monotonic() + SECONDS
    newest = [listed for listed in reversed(new) if listed not in wanted]
    for start in range(0, len(newest), _AT_ONCE):
        if session.ending or clock.monotonic() >= end:
            break
        wanted.update(_not_returned(newest[start : start + _AT_ONCE], session))
        session.returning.conclude()
    return [listed for listed in new if listed in wanted]


def _not_returned(some: Collection[Listed], session: Session) -> Sequence[Listed]:
    """The messages that did not come back, and those without a header, which are judged when fetched."""
    found = []
    for listed in some:
        try:
            if session.returning.is_back(listed, ask(listed, session)):
                session.counts.wanted -= 1
                continue
        except Unrecognised as error:
            session.counts.errors[listed] = error
            continue
        except (HeaderRefused, CommandRefused):
            pass
        found.append(listed)
    return found
