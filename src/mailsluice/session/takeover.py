"""Taking over: what is known of a mailbox under the name that it had before.

Owns the question whether a mailbox of which nothing is known is one that no section has any more. Must never
believe a UIDL or size for that: a mailbox that was made anew, or is fed by the same list, has the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mailsluice.errors import CommandRefused, Phase
from mailsluice.message.header import Header
from mailsluice.message.recognition import Evidence, Verdict, recognise
from mailsluice.model import Listed, MailboxKey, State
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.policy.retrying import is_due
from mailsluice.session import tidying
from mailsluice.session.asking import Untold, ask, ask_by_retr
from mailsluice.session.context import Session

ENOUGH = 20
"""So many messages known again by their headers make it the same mailbox; or all, where there are fewer."""

_MOST_ASKED = 2 * ENOUGH
"""Headers that are asked for: some may have been changed since."""

Ask = Callable[[Listed, Session], Header]

_HANDLED = frozenset({State.STORED, State.SEEN})
"""Messages that must not come again."""

_log = get_logger(__name__)


def take_over(listing: Sequence[Listed], session: Session) -> None:
    """Go on with what is known under a former host or address, if this is that mailbox.

    The headers of known UIDLs decide. The same address on another host, where its UIDLs may all be others, is
    taken over in any case, and each row put in doubt: what is known again by its header is not stored again.

    Raises LedgerError, and ServerError where a header cannot be had now: the next poll asks again, before
    anything is fetched.
    """
    ledger, key = session.context.ledger, session.mailbox.key
    if not listing or not ledger.aliases.is_blank(key):
        return
    formers = [former for former in ledger.aliases.others(key) if former not in session.context.live]
    for former in formers:
        if ledger.messages.half_done(former):  # what it stored is not known before
            _leave_stagings(former, session)
        if _is_the_same(listing, former, session):
            _rename(former, session, is_proven=True)
            return
    elsewhere = [former for former in formers if former.address == key.address]
    if elsewhere:
        _rename(elsewhere[0], session, is_proven=False)


def _rename(former: MailboxKey, session: Session, *, is_proven: bool) -> None:
    ledger, key = session.context.ledger, session.mailbox.key
    _leave_stagings(former, session)
    with ledger.leases.hold(former):
        ledger.aliases.rename(former, key, is_proven=is_proven, now=ledger.now())
    _log.warning(events.MAILBOX_RENAMED, former_host=former.host, former_address=former.address)


def _leave_stagings(former: MailboxKey, session: Session) -> None:
    for known_as, where in session.context.ledger.stagings.every():
        if known_as == former:
            tidying.leave(former, where, "", session.context)


def _is_the_same(listing: Sequence[Listed], former: MailboxKey, session: Session) -> bool:
    """Whether enough of the messages listed are known of `former`, by their headers.

    Those count whose headers the server tells, by TOP or else by RETR. Raises CommandRefused where it tells
    fewer than half.
    """
    evidence = _evidence(listing, former, session)
    found, told, reply = _count(evidence, ask, session)
    if evidence and not told:
        found, told, reply = _count(evidence[:ENOUGH], ask_by_retr, session)
    if found == ENOUGH:
        return True
    if found == told < len(evidence) - told:
        raise CommandRefused(
            f"the server tells {told} of {len(evidence)} headers, so it cannot be said whether "
            f"{session.mailbox.address} is the mailbox that was {former.address} on {former.host}: nothing "
            "is fetched before that",
            phase=Phase.RETRIEVE,
            reply=reply,
        )
    return 0 < found == told


def _count(evidence: Sequence[tuple[Listed, Evidence]], how: Ask, session: Session) -> tuple[int, int, str]:
    """How many are known, as far as it takes; how many headers were told; and the words of a refusal."""
    found = told = 0
    reply = ""
    for listed, known in evidence:
        try:
            header = how(listed, session)
        except Untold as why:
            reply = why.reply
            continue
        except CommandRefused as refusal:  # it has no TOP
            return 0, 0, refusal.reply
        told += 1
        found += recognise(header, known) is Verdict.SAME
        if found == ENOUGH:
            break
    return found, told, reply


def _evidence(
    listing: Sequence[Listed], former: MailboxKey, session: Session
) -> Sequence[tuple[Listed, Evidence]]:
    """The messages that may be known of `former`, as many as are asked for, and by what."""
    ledger = session.context.ledger
    known = ledger.messages.recall(former, (listed.uidl for listed in listing)).known
    evidence = ledger.messages.evidence(
        former, [uidl for uidl, row in known.items() if row.state in _HANDLED]
    )
    silent = ledger.failures.read(session.mailbox.key)
    found = []
    for listed in reversed(listing):
        one = evidence.get(listed.uidl)
        failure = silent.get(listed.uidl)
        is_told = failure is None or is_due(failure, ledger.now())
        if one is not None and one.proves and is_told:
            found.append((listed, one))
            if len(found) == _MOST_ASKED:
                break
    return found
