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
from mailsluice.model import Listing, Login, Memory, Quiet
from mailsluice.obs import events
from mailsluice.obs.logger import bound_contextvars, get_logger
from mailsluice.policy import Action, Plan, Reason
from mailsluice.session import batch, late, quarantine
from mailsluice.session.apart import fetch_apart
from mailsluice.session.fetch import fetch
from mailsluice.session.hold import held
from mailsluice.session.identifying import identify
from mailsluice.session.parts import Parts, Session
from mailsluice.session.questions import Questions
from mailsluice.session.returning import Returning
from mailsluice.session.sifting import sifted
from mailsluice.session.takeover import take_over
from mailsluice.session.tally import Polled, Tally
from mailsluice.session.triage import triage

_WARNINGS = {
    Reason.REUSED: events.UIDL_REUSED,
    Reason.CHANGED: events.UIDL_CHANGED,
    Reason.AMBIGUOUS: events.UIDL_AMBIGUOUS,
}
_TWINS, _FEWEST_TWINS = 20, 3
"""So many deliveries that two mailboxes share make one of them; or all of a poll's, if they are no fewer."""

_MOST_NAMED = 20
"""Messages too large that are reported in one poll: those beyond are reported by the polls to come."""

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
            plan, failure = _exchange(client.listing(), session)
            batch.end(session)
        if plan is not None:
            fetch_apart(plan.to(Action.APART), session)
    if failure is not None:
        raise failure
    if parts.stop.is_set() and tally.waiting:
        raise Stopped(f"asked to end with {tally.waiting} messages still to fetch")


def _exchange(listing: Listing, session: Session) -> tuple[Plan | None, MailsluiceError | None]:
    """What is done with a listing, up to QUIT.

    The plan, unless nothing was to be done, and the error that cut a further session short, if one did.
    """
    if _is_quiet(listing, session):
        session.tally.listed = len(listing)
        return None, None
    plan, memory = _plan(listing, session)
    session = session._replace(as_it_comes=memory.taken)
    with quarantine.counting(session):
        failure = fetch(sifted(plan.to(Action.FETCH), session), session)
        failure = late.settle(plan, memory, session) or failure
    identify(listing, memory, session)
    quarantine.describe(listing, session)
    _tell_twins(session)
    if found := session.returning.found:
        _log.info(events.MESSAGES_RETURNED, messages=found)
    return plan, failure


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
        listing = client.listing()
        client.quit()
    memory = parts.ledger.recall(mailbox.key, (listed.uidl for listed in listing))
    return policy.plan(listing, memory.known, memory.setbacks, mailbox, parts.ledger.now())


def _authenticate(session: Session, login: Login) -> None:
    try:
        session.client.authenticate(session.mailbox.address, login)
    except LoginRefused:
        session.parts.credentials.refused(session.mailbox, login)
        raise


def _is_quiet(listing: Listing, session: Session) -> bool:
    """Whether an earlier poll found that this very listing leaves nothing to do, and that still holds."""
    ledger, mailbox = session.parts.ledger, session.mailbox
    return ledger.is_quiet(mailbox.key, policy.digest(listing, mailbox), ledger.now())


def _plan(listing: Listing, session: Session) -> tuple[Plan, Memory]:
    mailbox, parts, tally = session.mailbox, session.parts, session.tally
    take_over(listing, session)
    uidls = [listed.uidl for listed in listing]
    tally.listed = len(listing)
    now = parts.ledger.now()
    memory = parts.ledger.recall(mailbox.key, uidls)
    plan = policy.plan(listing, memory.known, memory.setbacks, mailbox, now)
    until = policy.quiet(plan, memory, mailbox, now)
    quiet = None if until is None else Quiet(policy.digest(listing, mailbox), until)
    parts.ledger.confirm(mailbox.key, memory, uidls, plan.strangers, now, quiet=quiet)
    wanted = (*plan.to(Action.FETCH), *plan.to(Action.APART), *plan.because(Reason.NEXT_POLL))
    tally.wanted = len(wanted)
    parts.progress.planned(mailbox.name, len(plan.to(Action.FETCH)))
    too_large = plan.because(Reason.TOO_LARGE)[:_MOST_NAMED]
    batch.note_oversize({listed: listed.size or 0 for listed in too_large}, mailbox, parts)
    if again := len(plan.because(Reason.STORED)):
        _log.warning(events.STILL_LISTED, messages=again)
    for reason, event in _WARNINGS.items():
        events.name_messages(_log, event, plan.because(reason))
    return plan, memory


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
