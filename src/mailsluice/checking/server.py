"""The mail server: from DNS to what it says it can do, without a login.

Owns the order of these steps. Must never log in.
"""

from __future__ import annotations

from functools import partial

from mailsluice.checking.means import Means
from mailsluice.checking.reach import Reached, Stages
from mailsluice.checking.steps import Journal, Step
from mailsluice.config.credentials import PasswordCredential
from mailsluice.config.models import Mailbox
from mailsluice.errors import MailsluiceError, ServerError
from mailsluice.pop3.client import Client, connect

_LONGEST = 300
"""Characters of the capabilities that are shown."""


def name_of(mailbox: Mailbox) -> str:
    """The name of a mailbox's server in a check."""
    return f"{mailbox.host}:{mailbox.port}"


def try_server(mailbox: Mailbox, means: Means) -> Reached:
    """Connect to this mailbox's server, and ask what it can do."""
    subject, journal = name_of(mailbox), means.journal
    stages = Stages(subject, journal, means.clock, following=Step.GREETING)
    try:
        client = connector(means)(mailbox, observe=stages.observe)
    except MailsluiceError as error:
        return Reached(error, stages.failed(error))
    with client:
        stages.succeeded(_greeted(client))
        try:
            _capabilities(client, mailbox, means)
        except MailsluiceError as error:
            return Reached(error, Step.CAPA)
        quit_(subject, client, journal)
    return Reached()


def connector(means: Means) -> partial[Client]:
    """What connects to a mailbox's server, on its route."""
    return partial(
        connect,
        clock=means.clock,
        connections=means.connections,
        deadlines=means.deadlines,
        route=means.proxies.to_server,
    )


def quit_(subject: str, client: Client, journal: Journal) -> None:
    """End the session. Nothing was marked, so nothing is deleted, and no answer is only worth a doubt."""
    with journal.step(subject, Step.QUIT) as note:
        try:
            client.quit()
        except ServerError as error:
            note.doubt(str(error))


def _greeted(client: Client) -> str:
    tag = client.greeting.tag
    return f"front end {tag}" if tag else client.greeting.text


def _capabilities(client: Client, mailbox: Mailbox, means: Means) -> None:
    by_password = isinstance(means.config.credentials[mailbox.credential], PasswordCredential)
    with means.journal.step(name_of(mailbox), Step.CAPA) as note:
        found = client.capabilities()
        words = ", ".join(" ".join((name, *found[name])) for name in sorted(found))
        if len(words) > _LONGEST:
            words = f"{words[:_LONGEST]}... ({len(found)} capabilities)"
        if by_password or "XOAUTH2" in found.get("SASL", ()):
            note.say(words)
        else:
            note.doubt(f"{words or 'nothing'}: no XOAUTH2, so tokens may be refused here")
