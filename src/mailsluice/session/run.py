"""FLOW: one poll of one mailbox. Read `run` top to bottom: that is what mailsluice does.

Owns the order of the steps. Must never do I/O of its own: every effect is behind a port.
"""

from __future__ import annotations

from mailsluice import policy
from mailsluice.config.models import Mailbox
from mailsluice.errors import (
    Bug,
    LoginRefused,
    MailsluiceError,
    Stopped,
)
from mailsluice.model import Login
from mailsluice.obs import events
from mailsluice.obs.logger import bound_contextvars, get_logger
from mailsluice.policy import Plan
from mailsluice.reason import Action
from mailsluice.session import batch, late, quarantine
from mailsluice.session.apart import delete_apart, fetch_apart
from mailsluice.session.fetch import fetch
from mailsluice.session.hold import held
from mailsluice.session.identifying import identify
from mailsluice.session.namesakes import told_apart
from mailsluice.session.parts import Parts, Session
from mailsluice.session.planning import Planned, is_quiet, plan_for
from mailsluice.session.questions import Questions
from mailsluice.session.returning import Returning
from mailsluice.session.sifting import sifted
from mailsluice.session.tally import Polled, Tally
from mailsluice.session.triage import triage

_TWINS, _FEWEST_TWINS = 20, 3
"""So many deliveries that two mailboxes share make one of them; or all of a poll's, if they are no fewer."""

_log = get_logger(__name__)


def poll(mailbox: Mailbox, parts: Parts) -> Polled:
    """Poll once, whatever happens, and say how it went: the outermost door of a polling thread."""
    with bound_contextvars(mailbox=mailbox.name), parts.places.own():
        tally = Tally(mailbox.name, parts.clock)
        try:
            with parts.ledger.lock(mailbox.key):
                run(mailbox, parts, tally)
            polled = tally.polled()
        except MailsluiceError as error:
            polled = _failed(error, tally)
        except Exception as error:  # noqa: BLE001  a bug in one poll must not end the others
            polled = _failed(_as_bug(error), tally)
        return _report(mailbox, polled, parts)


def run(mailbox: Mailbox, parts: Parts, tally: Tally) -> None:
    """The poll, top to bottom. Raises MailsluiceError; what was stored by then stays stored."""
    if parts.stop.is_set():
        raise Stopped("asked to end before this poll began")
    with held(mailbox, parts) as staging:
        login = parts.credentials.login(mailbox)
        with parts.connect(mailbox) as client:
            session = Session(
                mailbox,
                client,
                staging,
                parts,
                tally,
                Questions({}, mailbox, parts.ledger.now()),
                Returning(parts.ledger, mailbox.key),
            )
            _authenticate(session, login)
            listing = client.listing(policy.window(mailbox))
            planned = None
            if not is_quiet(listing, session):
                planned = plan_for(told_apart(listing, session), session)
                session = session._replace(as_it_comes=planned.memory.taken)
            failure = _exchange(planned, session) if planned else None
            batch.end(session)
        if planned is not None:
            fetch_apart(planned.plan.to(Action.APART), session)
            delete_apart(planned.plan, planned.memory, session)
        if tally.deleted:
            parts.ledger.lost.left(mailbox.key, answered=not tally.unanswered)
    if failure is not None:
        raise failure
    if parts.stop.is_set() and tally.waiting:
        raise Stopped(f"asked to end with {tally.waiting} messages still to fetch")


def _exchange(planned: Planned, session: Session) -> MailsluiceError | None:
    """What is done by a plan, up to QUIT; the error that cut a further session short, if one did."""
    plan, memory = planned.plan, planned.memory
    with quarantine.counting(session):
        failure = fetch(sifted(plan.to(Action.FETCH), session), session)
        failure = late.settle(plan, memory, session) or failure
    identify(plan.listing, memory, session)
    quarantine.describe(plan.listing, session)
    _tell_twins(session)
    if found := session.returning.found:
        _log.info(events.MESSAGES_RETURNED, messages=found)
    return failure


def _tell_twins(session: Session) -> None:
    """Warn of another section that polls the same mailbox, by all appearances."""
    tally = session.tally
    for other, count in tally.twins.items():
        if count >= _TWINS or count == tally.stored >= _FEWEST_TWINS:
            _log.warning(
                events.MAILBOX_TWICE,
                other=f"{other.address} on {other.host}",
                messages=count,
                remedy="if both sections poll one mailbox, remove one: what it has is stored twice",
            )


def preview(mailbox: Mailbox, parts: Parts) -> Plan:
    """What a poll would do now: listed and planned, nothing fetched, deleted or remembered."""
    login = parts.credentials.login(mailbox)
    with parts.connect(mailbox) as client:
        client.authenticate(mailbox.address, login)
        listing = client.listing(policy.window(mailbox))
        client.quit()
    memory = parts.ledger.recall(mailbox.key, (listed.uidl for listed in listing))
    return policy.plan(listing, memory.known, memory.setbacks, mailbox, parts.ledger.now())


def _authenticate(session: Session, login: Login) -> None:
    try:
        session.client.authenticate(session.mailbox.address, login)
    except LoginRefused:
        session.parts.credentials.refused(session.mailbox, login)
        raise


def _failed(error: MailsluiceError, tally: Tally) -> Polled:
    if isinstance(error, Bug):
        _log.exception(events.BUG)
    return tally.polled(error, triage(error))


def _as_bug(error: Exception) -> Bug:
    return Bug(f"{type(error).__name__} in a poll")


def _report(mailbox: Mailbox, polled: Polled, parts: Parts) -> Polled:
    """Leave the session's one canonical line in the log, and its report for `status` with the ledger."""
    parts.ledger.note_session(mailbox.key, polled.report)
    events.session(_log, polled.report)
    return polled
