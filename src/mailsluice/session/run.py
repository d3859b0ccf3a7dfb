"""FLOW: one poll of one mailbox. Read `run` top to bottom: that is what mailsluice does.

Owns the order of the steps. Must never do I/O of its own: every effect is behind a port.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from mailsluice.config.models import Mailbox
from mailsluice.errors import (
    Bug,
    LoginRefused,
    MailsluiceError,
    Phase,
    Stopped,
)
from mailsluice.model import Login
from mailsluice.obs import events
from mailsluice.obs.logger import bound_contextvars, get_logger
from mailsluice.policy.plan import Plan, make_plan, window
from mailsluice.policy.reason import Action
from mailsluice.session import batch, late, quarantine
from mailsluice.session.apart import delete_apart, fetch_apart
from mailsluice.session.context import Context, Session
from mailsluice.session.counts import Counts, Polled
from mailsluice.session.explaining import explained
from mailsluice.session.fetch import fetch
from mailsluice.session.hold import held
from mailsluice.session.identifying import identify
from mailsluice.session.namesakes import told_apart
from mailsluice.session.planning import Planned, is_quiet, plan_for
from mailsluice.session.questions import Questions
from mailsluice.session.returning import Returning
from mailsluice.session.sifting import sifted
from mailsluice.session.triage import passes_by_itself, triage

_MANY_SHARED, _FEWEST_SHARED = 20, 3
"""Two sections look like one mailbox if they share this many deliveries: 20, or all of a poll's if it stored
3 or more. Fewer prove little: a mail may be sent to both addresses."""

_log = get_logger(__name__)


def poll(mailbox: Mailbox, context: Context) -> Polled:
    """Poll once, whatever happens, and say how it went: the outermost door of a polling thread."""
    with bound_contextvars(mailbox=mailbox.name), context.slots.own():
        counts = Counts(mailbox.name, context.clock)
        try:
            with context.ledger.leases.hold(mailbox.key), context.progress.polling(mailbox):
                run(mailbox, context, counts)
            polled = counts.polled()
        except MailsluiceError as error:
            polled = _failed(error, counts)
        except Exception as error:  # noqa: BLE001  a bug in one poll must not end the others
            polled = _failed(_as_bug(error), counts)
        return _report(mailbox, polled, context)


def run(mailbox: Mailbox, context: Context, counts: Counts) -> None:
    """The poll, top to bottom. Raises MailsluiceError; what was stored before that stays stored."""
    if context.stop.is_set():
        raise Stopped("asked to end before this poll began")
    now_in = partial(context.progress.phase, mailbox)
    with held(mailbox, context) as staging:
        now_in(Phase.TOKEN)
        # Before connecting: a token may take a while, and Exchange waits a minute for a login.
        login = context.credentials.login(mailbox)
        now_in(Phase.CONNECT)
        with explained(login, mailbox, context), context.connect(mailbox) as client:
            session = Session(
                mailbox,
                client,
                staging,
                context,
                counts,
                Questions({}, mailbox, context.ledger.now()),
                Returning(context.ledger, mailbox.key),
            )
            now_in(Phase.AUTH)
            _authenticate(session, login)
            now_in(Phase.LISTING)
            listing = client.listing(window(mailbox))
            planned = None
            if not is_quiet(listing, session):
                planned = plan_for(told_apart(listing, session), session)
                session = replace(session, as_it_comes=planned.memory.taken)
            failure = _exchange(planned, session) if planned else None
            now_in(Phase.QUIT)
            batch.end(session)
        # After the main session: it has said QUIT, so what these break off costs nothing that it marked.
        if planned is not None:
            fetch_apart(planned.plan.to(Action.APART), session)
            delete_apart(planned.plan, planned.memory, session)
        if counts.deleted:
            context.ledger.lost.left(mailbox.key, answered=not counts.unanswered)
    if failure is not None:  # of an extra session; raised late, so that the first one came to its QUIT
        raise failure
    if context.stop.is_set() and counts.waiting:
        raise Stopped(f"asked to end with {counts.waiting} messages still to fetch")


def _exchange(planned: Planned, session: Session) -> MailsluiceError | None:
    """Carry out a plan, up to QUIT. Returns the error that cut an extra session short, if there was one."""
    plan, memory = planned.plan, planned.memory
    with quarantine.counting(session):
        failure = fetch(sifted(plan.to(Action.FETCH), session), session)
        failure = late.settle(plan, memory, session) or failure  # new mail comes before deletions
    identify(plan.listing, memory, session)
    quarantine.describe(plan.listing, session)
    _warn_of_shared(session)
    if found := session.returning.found:
        _log.info(events.MESSAGES_RETURNED, messages=found)
    return failure


def _warn_of_shared(session: Session) -> None:
    """Warn of another section that seems to poll the same mailbox."""
    counts = session.counts
    for other, count in counts.shared.items():
        if count >= _MANY_SHARED or count == counts.stored >= _FEWEST_SHARED:
            _log.warning(
                events.MAILBOX_TWICE,
                other=f"{other.address} on {other.host}",
                messages=count,
                remedy="if both sections poll one mailbox, remove one of them: its mail is stored twice",
            )


def preview(mailbox: Mailbox, context: Context) -> Plan:
    """What a poll would do now. The mailbox is listed and planned; nothing is fetched, deleted or noted."""
    login = context.credentials.login(mailbox)
    with explained(login, mailbox, context), context.connect(mailbox) as client:
        client.authenticate(mailbox.address, login)
        listing = client.listing(window(mailbox))
        client.quit()
    memory = context.ledger.messages.recall(mailbox.key, (listed.uidl for listed in listing))
    return make_plan(listing, memory.known, memory.failures, mailbox, context.ledger.now())


def _authenticate(session: Session, login: Login) -> None:
    try:
        session.client.authenticate(session.mailbox.address, login)
    except LoginRefused as error:
        if not passes_by_itself(error):  # a throttled token is as good as it was
            session.context.credentials.refused(session.mailbox, login)
        raise
    session.context.credentials.accepted(session.mailbox, login)


def _failed(error: MailsluiceError, counts: Counts) -> Polled:
    if isinstance(error, Bug):
        _log.exception(events.BUG)
    return counts.polled(error, triage(error))


def _as_bug(error: Exception) -> Bug:
    return Bug(f"{type(error).__name__} in a poll")


def _report(mailbox: Mailbox, polled: Polled, context: Context) -> Polled:
    """Write the session's one canonical line to the log, and give its report for `status` to the ledger."""
    context.ledger.reports.note_session(mailbox.key, polled.report)
    events.session(_log, polled.report)
    return polled
