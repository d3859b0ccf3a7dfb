"""Taking over: a mailbox with a new host or address goes on with what is known under its former name.

Owns how a mailbox of which nothing is known is recognised as one that no section has any more. Must never
believe a UIDL or size for that: a recreated mailbox, or one on the same mailing list, may have the same ones.
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
from mailsluice.session.asking import HeaderRefused, ask, ask_by_retr
from mailsluice.session.context import Session

ENOUGH = 20
"""If this many messages, or all of fewer, are recognised by their headers, it is the same mailbox."""

_MOST_ASKED = 2 * ENOUGH
"""At most this many headers are asked for: more than ENOUGH, because some may have changed."""

Ask = Callable[[Listed, Session], Header]

_HANDLED = frozenset({State.STORED, State.SEEN})
"""Messages that must not come again."""

_log = get_logger(__name__)


def take_over(listing: Sequence[Listed], session: Session) -> None:
    """Go on with what is known under a former host or address, if this is that mailbox.

    The headers of known UIDLs decide. If only the host differs, all UIDLs may be new. Then the mailbox is
    taken over in any case, and every row is put in doubt: a message that is recognised by its header is not
    stored again.

    Raises LedgerError, and ServerError if the headers cannot be asked for now. The next poll asks again,
    before anything is fetched.
    """
    ledger, key = session.context.ledger, session.mailbox.key
    if not listing or not ledger.aliases.is_blank(key):
        return
    formers = [former for former in ledger.aliases.others(key) if former not in session.context.live]
    for former in formers:
        if ledger.messages.half_done(former):  # only then it is known what it stored
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
    """Whether enough of the listed messages are recognised as messages of `former`, by their headers.

    Only messages whose headers the server gives count, by TOP or else by RETR. Raises CommandRefused if it
    gives too few headers to decide.
    """
    evidence = _evidence(listing, former, session)
    found, told, reply = _count_recognised(evidence, ask, session)
    if evidence and not told:
        found, told, reply = _count_recognised(evidence[:ENOUGH], ask_by_retr, session)
    if found == ENOUGH:
        return True
    # All headers that came were recognised, but more than half did not come.
    if found == told < len(evidence) - told:
        raise CommandRefused(
            f"the server gave only {told} of {len(evidence)} headers, so it is not known whether "
            f"{session.mailbox.address} is the mailbox that was {former.address} on {former.host}: nothing "
            "is fetched before this is known",
            phase=Phase.RETRIEVE,
            reply=reply,
        )
    return 0 < found == told


def _count_recognised(
    evidence: Sequence[tuple[Listed, Evidence]], how: Ask, session: Session
) -> tuple[int, int, str]:
    """How many messages were recognised, up to ENOUGH; how many headers came; and the words of a refusal."""
    found = told = 0
    reply = ""
    for listed, known in evidence:
        try:
            header = how(listed, session)
        except HeaderRefused as why:
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
    """Messages that may be known of `former`, the newest first, with the evidence to recognise them by."""
    ledger = session.context.ledger
    known = ledger.messages.recall(former, (listed.uidl for listed in listing)).known
    evidence = ledger.messages.evidence(
        former, [uidl for uidl, row in known.items() if row.state in _HANDLED]
    )
    failures = ledger.failures.read(session.mailbox.key)
    found = []
    for listed in reversed(listing):
        known_by = evidence.get(listed.uidl)
        failure = failures.get(listed.uidl)  # of an earlier try to ask: its header ended the session
        may_ask = failure is None or is_due(failure, ledger.now())
        if known_by is not None and known_by.proves and may_ask:
            found.append((listed, known_by))
            if len(found) == _MOST_ASKED:
                break
    return found
