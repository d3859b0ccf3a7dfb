"""Apart: messages at which a session ended are tried in a session of their own, after all others.

Owns that one that fails ends nothing but that session. Must never decide which are tried, or when: that is
`policy`.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailsluice import policy
from mailsluice.errors import CommandRefused, ServerError
from mailsluice.model import Listed
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.session import batch, quarantine
from mailsluice.session.fetch import fetch_here
from mailsluice.session.parts import Session
from mailsluice.session.ports import Client
from mailsluice.session.tally import Tally
from mailsluice.session.triage import triage

MOST = 10
"""So many are tried in one poll."""

_log = get_logger(__name__)


def fetch_apart(messages: Sequence[Listed], session: Session) -> None:
    """Try these, and note what fails. Raises LedgerError and SinkError, but no ServerError."""
    if not messages or session.parts.stop.is_set():
        return
    mailbox, parts = session.mailbox, session.parts
    tally = Tally(mailbox.name, parts.clock)
    if session.tally.fetched:  # the server hands out others
        tally.proven.update(messages)
    try:
        login = parts.credentials.login(mailbox)
        with parts.connect(mailbox) as client:
            client.authenticate(mailbox.address, login)
            here = _here(messages, client)
            apart = session._replace(client=client, tally=tally)
            with quarantine.counting(apart):
                _fetch(here, apart)
            batch.end(apart)
    except ServerError as error:
        _log.warning(events.APART_ENDED, error=str(error), remedy=triage(error).remedy)
    tally.refused += len(tally.errors) - tally.refused
    session.tally.add(tally)


def _here(messages: Sequence[Listed], client: Client) -> list[Listed]:
    """These messages as this session lists them, if no other has their UIDLs."""
    listing = client.listing()
    twice = policy.listed_twice(listing)
    there = {listed.uidl: listed for listed in listing if listed.uidl not in twice}
    return [there[each.uidl] for each in messages[:MOST] if each.uidl in there]


def _fetch(messages: Sequence[Listed], session: Session) -> None:
    """Each in turn: its own header first, which speaks for the server if it comes."""
    for listed in messages:
        try:
            session.client.header(listed)
            session.tally.proven.add(listed)
        except CommandRefused:
            pass
        except ServerError as error:
            session.tally.failed(listed, error, passes=False)
            raise
        fetch_here((listed,), session)
