"""The doors: whether another protocol lets the same login into the same mailbox.

Owns where Exchange Online's other doors are, and how one is tried. Must never do more there than to log in
and to look. What a door says means something else for another door: it only tells causes apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial

from mailsluice.checking.knocking import imap, smtp
from mailsluice.checking.knocking.dialogue import Dialogue
from mailsluice.checking.knocking.response import Response
from mailsluice.checking.means import Means
from mailsluice.checking.steps import Step
from mailsluice.clock import Clock
from mailsluice.config.models import Mailbox
from mailsluice.diagnosis.facts import Door
from mailsluice.errors import MailsluiceError, Phase, ServerError
from mailsluice.model import BearerToken, Login
from mailsluice.net.connection import Connection
from mailsluice.net.connections import Connections
from mailsluice.net.deadlines import Patience
from mailsluice.net.endpoint import Endpoint
from mailsluice.net.proxy import DIRECT, Route
from mailsluice.pop3.deadlines import Deadlines

PORTS = {Door.IMAP: 993, Door.SMTP: 587}
"""IMAP with TLS from the first octet (RFC 8314 §3.2), and submission with STARTTLS (RFC 6409 §3.1)."""

_SUBMISSION_HOSTS: Mapping[str, str] = {
    "outlook.office365.com": "smtp.office365.com",
    "outlook.office365.us": "smtp.office365.us",
    "partner.outlook.cn": "smtp.partner.outlook.cn",
}
"""The SMTP host beside a POP3 host of Exchange Online. That of DoD is one host for all."""

_GOODBYE = 5.0
"""Seconds for the answer to the last command."""


@dataclass(frozen=True, slots=True)
class _Protocol:
    log_in: Callable[[Dialogue, Response, Deadlines], None]
    goodbye: bytes


_PROTOCOLS: Mapping[Door, _Protocol] = {
    Door.IMAP: _Protocol(imap.log_in, imap.GOODBYE),
    Door.SMTP: _Protocol(smtp.log_in, smtp.GOODBYE),
}


def beside(door: Door, mailbox: Mailbox) -> Mailbox:
    """The same mailbox, with host and port of this door: IMAP or SMTP."""
    host = mailbox.host
    if door is Door.SMTP:
        host = _SUBMISSION_HOSTS.get(host.lower(), host)
    return mailbox.model_copy(update={"host": host, "port": PORTS[door]})


def try_doors(
    doors: Iterable[Door], mailbox: Mailbox, login: Login, means: Means
) -> dict[Door, MailsluiceError | None]:
    """Try these doors, IMAP and SMTP, each as a step of a check: why it is not open; None if it is.

    A password opens none of them, so it is not tried there.
    """
    if isinstance(login, BearerToken):
        return {door: _tried(door, mailbox, login, means) for door in doors}
    for door in doors:
        means.journal.leave_out(mailbox.name, Step[door.name], "only a token is tried there, not a password")
    return {}


def _tried(door: Door, mailbox: Mailbox, token: BearerToken, means: Means) -> MailsluiceError | None:
    there = beside(door, mailbox)
    try:
        with means.journal.step(mailbox.name, Step[door.name]) as note:
            knock(
                door,
                mailbox,
                token,
                clock=means.clock,
                connections=means.connections,
                deadlines=means.deadlines,
                route=means.proxies.to_server,
            )
            note.say(f"{mailbox.address} is let in at {there.host}:{there.port}")
    except MailsluiceError as error:
        return error
    return None


def knock(
    door: Door,
    mailbox: Mailbox,
    token: BearerToken,
    *,
    clock: Clock,
    connections: Connections,
    deadlines: Deadlines,
    route: Callable[[Mailbox], Route] = lambda _: DIRECT,
) -> None:
    """Log in to the mailbox by this door, IMAP or SMTP. It returns if the door is open.

    `mailbox` is as configured, for POP3. `route` gets what `beside` returns. Raises LoginRefused with the
    server's words as `reply` if this door refuses; any other ServerError, and SecretError for a proxy's
    password, if that cannot be found out; and Stopped if `connections` were aborted.
    """
    there, protocol = beside(door, mailbox), _PROTOCOLS[door]
    response = Response.of(there.address, token)
    endpoint = Endpoint(there.host, there.port, there.ca_file, route=route(there))
    if door is Door.SMTP:
        endpoint = replace(endpoint, ask_for_tls=partial(smtp.ask_for_tls, str(endpoint)))
    with closing(
        Connection.open(endpoint, clock=clock, deadlines=deadlines, connections=connections, owner=there.name)
    ) as connection:
        dialogue = Dialogue(connection, str(endpoint), Patience(deadlines.greeting))
        protocol.log_in(dialogue, response, deadlines)
        with suppress(ServerError):  # it was let in
            dialogue.begin(Phase.QUIT, _GOODBYE)
            dialogue.say(protocol.goodbye)
            dialogue.line()
