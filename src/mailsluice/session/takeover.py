"""Taking over: what is known of a mailbox under the name that it had before.

Owns the question whether a mailbox of which nothing is known is one that no section has any more. Must never
take over by UIDLs or sizes: a mailbox that was made anew, or is fed by the same list, has the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailsluice.errors import CommandRefused
from mailsluice.header import Header
from mailsluice.model import Listed, MailboxKey, State
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.recognition import Verdict, recognise
from mailsluice.session import tidying
from mailsluice.session.parts import Session

ENOUGH = 20
"""So many messages known again by their headers make it the same mailbox; or all, where there are fewer."""

_MOST_ASKED = 2 * ENOUGH
"""Headers that are asked for: some may have been changed since."""

_log = get_logger(__name__)


def take_over(listing: Sequence[Listed], session: Session) -> None:
    """Go on with what is known under a former host or address, if this is that mailbox.

    Raises LedgerError, and ServerError where a header cannot be had now: the next poll asks again, before
    anything is fetched.
    """
    ledger, key = session.parts.ledger, session.mailbox.key
    if not listing or not ledger.kin.is_blank(key):
        return
    for former in ledger.kin.others(key):
        if former not in session.parts.live and _is_the_same(listing, former, session):
            for known_as, where in ledger.stagings.every():
                if known_as == former:
                    tidying.leave(former, where, session.parts)
            with ledger.lock(former):
                ledger.kin.rename(former, key)
            _log.warning(events.MAILBOX_RENAMED, former_host=former.host, former_address=former.address)
            return


def _is_the_same(listing: Sequence[Listed], former: MailboxKey, session: Session) -> bool:
    """Whether enough of the messages listed are known of `former`, by their headers."""
    ledger = session.parts.ledger
    known = ledger.recall(former, (listed.uidl for listed in listing)).known
    stored = [
        listed for listed in listing if listed.uidl in known and known[listed.uidl].state is State.STORED
    ]
    evidence = ledger.evidence(former, [listed.uidl for listed in stored])
    asked = [listed for listed in reversed(stored) if listed.uidl in evidence][:_MOST_ASKED]
    found = 0
    for listed in asked:
        found += _verdict(listed, evidence[listed.uidl], session) is Verdict.SAME
        if found == ENOUGH:
            return True
    return 0 < found == len(asked)


def _verdict(listed: Listed, identity: bytes, session: Session) -> Verdict:
    try:
        return recognise(Header(session.client.header(listed)), identity)
    except CommandRefused:
        if session.client.has_top():
            raise
        return Verdict.UNDECIDED
