"""Apart: messages at which a session ended are tried in sessions of their own, after all others.

Owns that such a message ends only its own session if it fails again. Must never decide which messages are
tried, or when: that is `policy`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from mailsluice.errors import CommandRefused, Phase, ServerError
from mailsluice.model import Listed, Memory
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.policy.plan import Plan, window
from mailsluice.policy.reason import Action, Reason
from mailsluice.policy.sameness import listed_twice
from mailsluice.session import batch, late, quarantine
from mailsluice.session.context import Session
from mailsluice.session.counts import Counts
from mailsluice.session.explaining import explained
from mailsluice.session.fetch import fetch_here
from mailsluice.session.namesakes import told_apart
from mailsluice.session.triage import triage

MOST = 10
"""At most this many messages are tried in one poll."""

_log = get_logger(__name__)


def fetch_apart(messages: Sequence[Listed], session: Session) -> None:
    """Try these messages, and note which fail. Raises LedgerError and SinkError, but no ServerError."""

    def work(here: Sequence[Listed], apart: Session) -> None:
        if session.counts.fetched:  # the server hands out other messages, so a failure counts against these
            apart.counts.proven.update(here)
        with quarantine.counting(apart):
            _fetch(here, apart)

    if messages and not session.context.stop.is_set():
        counts = _in_one_more_session(messages[:MOST], session, work)
        broke = [error for error in counts.errors.values() if not isinstance(error, CommandRefused)]
        session.counts.refused += len(broke)  # those that the server refused are in it already


def delete_apart(plan: Plan, memory: Memory, session: Session) -> None:
    """Try to delete stored messages that ended a session at their deletion, each in a session of its own.

    Ends at the first that is not deleted. Raises LedgerError and SinkError, but no ServerError.
    """

    def work(here: Sequence[Listed], apart: Session) -> None:
        if session.counts.confirmed:  # the server deletes other messages, so a failure counts against these
            apart.counts.proven.update(here)
        with quarantine.counting(apart, is_apart=True):
            plan_here = Plan(here, [Reason.STORED] * len(here), frozenset())
            # Without the failures: `late` does not delete what failed at its deletion before.
            late.settle(plan_here, replace(memory, failures={}), apart)

    for listed in plan.to(Action.DELETE_APART)[:MOST]:
        if session.context.stop.is_set() or not _in_one_more_session([listed], session, work).confirmed:
            return
        session.counts.done([listed.uidl])


def _in_one_more_session(
    messages: Sequence[Listed], session: Session, work: Callable[[Sequence[Listed], Session], None]
) -> Counts:
    """Do this work with these messages in one more session, and add its counts to those of the poll.

    If the server ends that session, this is only logged.
    """
    mailbox, context, counts = session.mailbox, session.context, session.counts.beside()
    is_open = False
    now_in = partial(context.progress.phase, mailbox)
    try:
        now_in(Phase.TOKEN)
        login = context.credentials.login(mailbox)
        now_in(Phase.CONNECT)
        with explained(login, mailbox, context, is_in=True), context.connect(mailbox) as client:
            apart = replace(session, client=client, counts=counts)
            now_in(Phase.AUTH)
            client.authenticate(mailbox.address, login)
            now_in(Phase.LISTING)
            listing = told_apart(client.listing(window(mailbox)), apart)
            twice = listed_twice(listing)
            # Message numbers are valid in one session only (RFC 1939 §5): take this session's.
            here = {listed.uidl: listed for listed in listing if listed.uidl not in twice}
            is_open = True
            work([here[listed.uidl] for listed in messages if listed.uidl in here], apart)
            now_in(Phase.QUIT)
            batch.end(apart, is_apart=True)
    except ServerError as error:
        if not is_open:
            quarantine.note_closed_door(messages, error, session)
        _log.warning(events.APART_ENDED, error=str(error), remedy=triage(error).remedy)
    session.counts.add(counts)
    return counts


def _fetch(messages: Sequence[Listed], session: Session) -> None:
    """Fetch these one by one. If a message's header comes, the server is well, and a failure counts."""
    session.context.progress.phase(session.mailbox, Phase.RETRIEVE)
    session.context.progress.planned(session.mailbox, len(messages))
    for listed in messages:
        try:
            session.client.header(listed)
            session.counts.proven.add(listed)
        except CommandRefused:  # the message may still come
            pass
        except ServerError as error:
            session.counts.failed(listed, error, passes=False)
            raise
        fetch_here((listed,), session)
