"""The opening: one mailbox is opened, counted and closed. No message is looked at.

Owns the order of these steps, and that nobody else works with the mailbox meanwhile. Must never list, fetch
or mark a message.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from mailsluice.checking.means import Means
from mailsluice.checking.server import connector, quit_
from mailsluice.checking.steps import State, Step
from mailsluice.config.models import Mailbox
from mailsluice.errors import LedgerError, MailboxLocked, MailsluiceError
from mailsluice.model import Login


@dataclass(frozen=True, slots=True)
class Opened:
    """How it went: the error that came first, and at which step. `is_polled`: the daemon is at it now."""

    error: MailsluiceError | None = None
    step: Step | None = None
    is_polled: bool = False


def try_mailbox(mailbox: Mailbox, login: Login, means: Means) -> Opened:
    """Log in to this mailbox, and ask how many messages it has. Nobody else polls it meanwhile."""
    journal, unheld = means.journal, None
    with ExitStack() as stack:
        try:
            if means.ledger:  # without one nobody polls; and nothing is made for a check
                stack.enter_context(means.ledger.leases.hold_if_made(mailbox.key))
        except MailboxLocked:
            why = "a poll of this mailbox goes on; two at once disturb each other"
            journal.leave_out(mailbox.name, Step.AUTH, why)
            return Opened(is_polled=True)
        except LedgerError as error:  # every poll fails with it; but it is worth knowing what else does
            journal.end(mailbox.name, Step.LEDGER, means.clock.monotonic(), State.FAILED, str(error))
            unheld = Opened(error, Step.LEDGER)
        opened = _session(mailbox, login, means)
    return unheld if unheld and opened.error is None else opened


def _session(mailbox: Mailbox, login: Login, means: Means) -> Opened:
    subject, journal = mailbox.name, means.journal
    step = Step.CONNECT
    try:
        with journal.step(subject, step) as note:
            client = connector(means)(mailbox)
            note.say(client.greeting.tag and f"front end {client.greeting.tag}")
        with client:
            step = Step.AUTH
            with journal.step(subject, step) as note:
                client.authenticate(mailbox.address, login)
                note.say(f"{mailbox.address} is let in")
            step = Step.STAT
            with journal.step(subject, step) as note:
                messages, octets = client.stat()
                note.say(f"{messages:,} message{'' if messages == 1 else 's'}, {octets:,} octets")
            quit_(subject, client, journal)
    except MailsluiceError as error:
        return Opened(error, step)
    return Opened()
