"""Explaining: what a server's error means for this mailbox, by all that a session knows.

Owns which facts a session brings to the diagnosis: its token's claims, what the configuration says of its
credential, and how former polls went. Must never change when a mailbox is polled again: `triage` decides that
by the error alone. Must never hide the error that it explains, nor cost anything while all goes well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from mailsluice import invocation
from mailsluice.config.models import Mailbox
from mailsluice.errors import LedgerError, Obstacle, ServerError
from mailsluice.model import BearerToken, Login
from mailsluice.session.context import Context

if TYPE_CHECKING:
    from mailsluice.diagnosis.facts import Facts, History


@contextmanager
def explained(login: Login, mailbox: Mailbox, context: Context, *, is_in: bool = False) -> Iterator[None]:
    """Each server's error that leaves this block has a remedy, if its words or its obstacle are known.

    A remedy that it has already stays. About what stood in the way it has only what else is to be known.
    `is_in`: the server let another session of this poll in.
    """
    try:
        yield
    except ServerError as error:
        if error.obstacle not in {None, Obstacle.PROXY} or not error.remedy:
            told = _remedy(error, login, mailbox, context, is_in=is_in), error.remedy
            error.remedy = "; ".join(filter(None, told))
        raise


def _remedy(error: ServerError, login: Login, mailbox: Mailbox, context: Context, *, is_in: bool) -> str:
    # Only an error needs the diagnosis.
    from mailsluice.diagnosis.judgement import judge  # noqa: PLC0415
    from mailsluice.diagnosis.symptoms import symptom_of  # noqa: PLC0415

    if symptom_of(error) is None:
        return ""
    facts = _facts(login, mailbox, context)
    if error.obstacle is None:
        # Former polls tell nothing of what stands in the way to a server. When it is down, all mailboxes
        # fail, and each would read the reports of all.
        facts = replace(facts, history=_history(mailbox, context, is_in=is_in))
    check = invocation.about(mailbox.name, mailbox.address, "check")
    return judge(error, facts).sentence(facts, check=check)


def _facts(login: Login, mailbox: Mailbox, context: Context) -> Facts:
    from mailsluice.diagnosis.claims import claims_in  # noqa: PLC0415
    from mailsluice.diagnosis.facts import Access, Facts  # noqa: PLC0415

    credential = context.configured.get(mailbox.credential)
    return Facts(
        access=Access.of(mailbox.credential, credential) if credential else None,
        mailbox=mailbox.address,
        section=mailbox.name,
        host=mailbox.key.host,
        port=mailbox.port,
        claims=claims_in(login.value) if isinstance(login, BearerToken) else None,
    )


def _history(mailbox: Mailbox, context: Context, *, is_in: bool) -> History | None:
    """How the polls of this mailbox and of its siblings went; None if the ledger cannot be read."""
    from mailsluice.diagnosis.history import history_of  # noqa: PLC0415

    try:
        reports = context.ledger.reports.read()
    except LedgerError:
        return None
    now = context.clock.now()
    return history_of(mailbox, context.live.values(), reports, now, let_in=[mailbox.key] if is_in else ())
