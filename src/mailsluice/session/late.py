"""Late: for a message that an earlier session stored, the header is asked for before it is deleted.

The same is done for messages in doubt. Owns the order of this: by TOP, and by RETR if the server has no TOP.
Must never decide what a header proves (`message.recognition`), nor what follows from it (`policy`).
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
from mailsluice.session.asking import HeaderRefused, ask
from mailsluice.session.context import Session
from mailsluice.session.fetch import fetch
from mailsluice.session.questions import Question, Questions

SECONDS = 300.0
"""Headers are asked for during at most this time in one poll; the next poll goes on."""

_AT_ONCE = 64
"""After this many headers their messages are deleted, and the session looks whether it should end."""

_log = get_logger(__name__)


def settle(plan: Plan, memory: Memory, session: Session) -> MailsluiceError | None:
    """Ask for headers, delete what is stored and due, and fetch what turns out to be another message.

    Returns the error that cut an extra session short, if there was one. Raises what the ports raise.
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
    _conclude_unsure(session)  # last: each header until here could show that UIDLs are not to be believed
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
    """Ask for these headers by TOP, and act on them. Returns the messages that have to be asked by RETR."""
    clock = session.context.clock
    end = clock.monotonic() + SECONDS
    refused: dict[Listed, str] = {}
    for start in range(0, len(asked), _AT_ONCE):
        if session.ending or clock.monotonic() >= end:
            break
        for position in range(start, min(start + _AT_ONCE, len(asked))):
            listed = asked[position]
            try:
                session.questions.answer(listed, ask(listed, session))
            except HeaderRefused as why:
                refused[listed] = why.reply
                session.questions.unanswered(listed)
            except CommandRefused:  # it has no TOP
                return _by_retr(asked[position:], session)
        _conclude(session)
    session.counts.refused += len(refused)
    session.counts.failing.update({listed.uidl: Held.UNCLEAR for listed in refused})
    events.name_messages(_log, events.HEADER_REFUSED, tuple(refused), reply=next(iter(refused.values()), ""))
    return ()


def _by_retr(asked: Sequence[Listed], session: Session) -> Sequence[Listed]:
    """Those messages that may be fetched for the sake of their headers; larger ones are held."""
    most = session.mailbox.max_message
    large = {listed for listed in asked if (listed.size or 0) > most}
    session.counts.failing.update({listed.uidl: Held.UNCLEAR for listed in large})
    return [listed for listed in asked if listed not in large]


def _conclude(session: Session) -> None:
    """Act on the headers that came so far, except for fetching."""
    answers = session.questions.answers
    # When a UIDL is found to stand for another message, all rows are put in doubt. Rows in doubt get no
    # permit, but these are proved by their headers.
    doubted = answers.delete if answers.reused else ()
    session.context.ledger.messages.recognised(session.mailbox.key, [*answers.same, *doubted])
    _delete(answers.delete, session)
    session.counts.failing.update({listed.uidl: Held.UNCLEAR for listed in answers.unclear})
    answers.same, answers.delete = [], []


def _conclude_unsure(session: Session) -> None:
    """Delete the messages of which only the UIDL says that they are stored, if enough headers were asked for.

    If any UIDL was found to stand for another message, no UIDL is believed, and nothing is deleted.
    """
    answers = session.questions.answers
    if session.questions.newly_reused():
        session.context.ledger.messages.doubt(session.mailbox.key)
    if not answers.reused and session.questions.enough_asked:
        _delete(answers.unsure, session)


def _delete(messages: Sequence[Listed], session: Session) -> None:
    if messages:
        session.staging.refuse_if_lost()  # a poll that lost its staging must not delete anything
        uidls = [listed.uidl for listed in messages]
        ledger, key = session.context.ledger, session.mailbox.key
        # Before DELE: without this note a message that is gone would count as lost
        # (docs/adr/0015-what-comes-back.md).
        ledger.lost.leave(key, uidls)
        session.client.delete(ledger.messages.permits(key, uidls))


def _without_returned(session: Session) -> Sequence[Listed]:
    """The messages whose UIDLs stand for other messages in the ledger, and that are not known themselves."""
    returning, other = session.returning, session.questions.answers.other
    ledger = session.context.ledger
    ledger.messages.replaced(session.mailbox.key, [listed.uidl for listed in other], ledger.now())
    new = [listed for listed, identity in other.items() if not returning.is_known(listed, identity)]
    returning.conclude()
    return new


def _to_fetch(session: Session) -> Sequence[Listed]:
    """The messages that must be fetched after all, at most `max_per_poll`; the next poll fetches the others.

    Messages that are too large are only noted.
    """
    mailbox, answers = session.mailbox, session.questions.answers
    events.name_messages(_log, events.UIDL_REUSED, tuple(answers.other))
    events.name_messages(_log, events.MESSAGE_UNDECIDED, answers.undecided)
    if session.questions.newly_reused():
        session.context.ledger.messages.doubt(mailbox.key)
    found = [*_without_returned(session), *answers.undecided]
    too_large = {listed: listed.size or 0 for listed in found if (listed.size or 0) > mailbox.max_message}
    batch.note_oversize(too_large, mailbox, session.context)
    wanted = [listed for listed in found if listed not in too_large]
    session.counts.wanted += len(wanted)
    return wanted[: mailbox.max_per_poll]
