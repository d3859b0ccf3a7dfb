"""Late: what an earlier session stored is asked for its header before it is deleted, or where it is in doubt.

Owns in which order that is done: by TOP, and by RETR where the server has no TOP. Must never decide what a
header proves (`recognition`) nor what follows (`policy`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mailsluice.errors import CommandRefused, MailsluiceError, Phase
from mailsluice.failure import Held, Why
from mailsluice.model import Listed, Memory
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.policy.plan import Plan
from mailsluice.policy.reason import Action
from mailsluice.session import batch
from mailsluice.session.asking import Untold, ask
from mailsluice.session.context import Session
from mailsluice.session.fetch import fetch
from mailsluice.session.questions import Question, Questions

SECONDS = 300.0
"""So long at most headers are asked for in one poll; the next one goes on."""

_AT_ONCE = 64
"""Messages asked for between two deletions, and two looks at whether the session is to end."""

_log = get_logger(__name__)


def settle(plan: Plan, memory: Memory, session: Session) -> MailsluiceError | None:
    """Ask, delete what is stored and due, and fetch what turns out to be another message.

    The error that cut an extra session short, if one did. Raises what the ports raise.
    """
    asked = (*plan.to(Action.DELETE), *plan.to(Action.ASK))
    if not asked:
        return None
    session.context.progress.phase(session.mailbox, Phase.DELETE)
    session = replace(session, questions=_questions(plan, asked, memory, session))
    by_retr = _ask(asked, session)
    session.counts.wanted += len(by_retr)
    failure = fetch(_to_fetch(session), session)
    if by_retr:
        failure = fetch(by_retr, session) or failure
        _conclude(session)
    _conclude_unsure(session)
    return failure


def _questions(plan: Plan, asked: Sequence[Listed], memory: Memory, session: Session) -> Questions:
    ledger, key = session.context.ledger, session.mailbox.key
    reasons = {listed.uidl: reason for listed, reason in zip(plan.listing, plan.reasons, strict=True)}
    evidence = ledger.messages.evidence(key, [listed.uidl for listed in asked])
    about = {
        uidl: Question(memory.known[uidl], evidence.get(uidl), reasons[uidl])
        for uidl in (listed.uidl for listed in asked)
    }
    undeletable = {uidl for uidl, failure in memory.failures.items() if failure.kind is Why.UNDELETED}
    return Questions(about, session.mailbox, ledger.now(), undeletable)


def _ask(asked: Sequence[Listed], session: Session) -> Sequence[Listed]:
    """Ask for these headers and act on what they say; those messages that only RETR can tell of."""
    clock = session.context.clock
    end = clock.monotonic() + SECONDS
    untold: dict[Listed, str] = {}
    for start in range(0, len(asked), _AT_ONCE):
        if session.ending or clock.monotonic() >= end:
            break
        for place in range(start, min(start + _AT_ONCE, len(asked))):
            try:
                session.questions.answer(asked[place], ask(asked[place], session))
            except Untold as why:
                untold[asked[place]] = why.reply
                session.questions.untold(asked[place])
            except CommandRefused:
                return _by_retr(asked[place:], session)
        _conclude(session)
    session.counts.refused += len(untold)
    session.counts.failing.update({listed.uidl: Held.UNCLEAR for listed in untold})
    events.name_messages(_log, events.HEADER_REFUSED, tuple(untold), reply=next(iter(untold.values()), ""))
    return ()


def _by_retr(asked: Sequence[Listed], session: Session) -> Sequence[Listed]:
    """Those that may be fetched to be told; larger ones are held."""
    most = session.mailbox.max_message
    large = {listed for listed in asked if (listed.size or 0) > most}
    session.counts.failing.update({listed.uidl: Held.UNCLEAR for listed in large})
    return [listed for listed in asked if listed not in large]


def _conclude(session: Session) -> None:
    """Act on what headers said so far, but for fetching."""
    answers = session.questions.answers
    doubted = answers.delete if answers.reused else ()  # by who fetched what has another's UIDL
    session.context.ledger.messages.recognised(session.mailbox.key, [*answers.same, *doubted])
    _delete(answers.delete, session)
    session.counts.failing.update({listed.uidl: Held.UNCLEAR for listed in answers.unclear})
    answers.same, answers.delete = [], []


def _conclude_unsure(session: Session) -> None:
    """Delete what its UIDL alone says is stored, once enough were asked.

    Nothing where one of them was found to mean another message: no UIDL is believed any more then.
    """
    answers = session.questions.answers
    if session.questions.newly_reused():
        session.context.ledger.messages.doubt(session.mailbox.key)
    if not answers.reused and session.questions.enough_asked:
        _delete(answers.unsure, session)


def _delete(messages: Sequence[Listed], session: Session) -> None:
    if messages:
        session.staging.refuse_if_lost()
        uidls = [listed.uidl for listed in messages]
        ledger, key = session.context.ledger, session.mailbox.key
        ledger.lost.leave(key, uidls)
        session.client.delete(ledger.messages.permits(key, uidls))


def _elsewhere(session: Session) -> Sequence[Listed]:
    """Those under whose UIDLs other messages are known, without those that are known under other UIDLs."""
    returning, other = session.returning, session.questions.answers.other
    ledger = session.context.ledger
    ledger.messages.replaced(session.mailbox.key, [listed.uidl for listed in other], ledger.now())
    new = [listed for listed, who in other.items() if not returning.is_known(listed, who)]
    returning.conclude()
    return new


def _to_fetch(session: Session) -> Sequence[Listed]:
    """The messages that are to be fetched after all, as many as one poll may; the others come with the next.

    Too large ones are only noted.
    """
    mailbox, answers = session.mailbox, session.questions.answers
    events.name_messages(_log, events.UIDL_REUSED, tuple(answers.other))
    events.name_messages(_log, events.MESSAGE_UNDECIDED, answers.undecided)
    if session.questions.newly_reused():
        session.context.ledger.messages.doubt(mailbox.key)
    found = [*_elsewhere(session), *answers.undecided]
    too_large = {each: each.size or 0 for each in found if (each.size or 0) > mailbox.max_message}
    batch.note_oversize(too_large, mailbox, session.context)
    wanted = [each for each in found if each not in too_large]
    session.counts.wanted += len(wanted)
    return wanted[: mailbox.max_per_poll]
