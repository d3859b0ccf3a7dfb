"""What a session works with: the parts all sessions share, and what is its own.

Owns no behaviour; must never be more than a bundle of things that always travel together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from mailsluice.clock import Clock
from mailsluice.config.models import Mailbox
from mailsluice.errors import Phase
from mailsluice.model import MailboxKey
from mailsluice.polling.slots import Slots
from mailsluice.session.counts import Counts
from mailsluice.session.ports import Client, Connect, Credentials, Ledger, Sink, Staging
from mailsluice.session.questions import Questions
from mailsluice.session.returning import Returning


class Progress(Protocol):
    """Who watches polls. Called from several threads."""

    def polling(self, mailbox: Mailbox) -> AbstractContextManager[None]:
        """A poll of this mailbox goes on while this lasts."""
        ...

    def phase(self, mailbox: Mailbox, phase: Phase) -> None:
        """The poll is in this phase from now on: its first session is, whatever extra ones do."""
        ...

    def planned(self, mailbox: Mailbox, messages: int) -> None:
        """So many messages more are to be fetched."""
        ...

    def arrived(self, mailbox: Mailbox, octets: int) -> None:
        """One message of so many octets has come."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a session works with.

    `stop`, once set, lets it end after the message in flight. `live` are all mailboxes that are configured.
    `sink_at` finds a sink by its spec, for a mailbox by its key and name.
    """

    credentials: Credentials
    connect: Connect
    ledger: Ledger
    open_sink: Callable[[Mailbox], Sink]
    sink_at: Callable[[str, MailboxKey, str], Sink]
    clock: Clock
    stop: Event
    slots: Slots
    progress: Progress
    live: Collection[MailboxKey] = ()


@dataclass(frozen=True, slots=True)
class Session:
    """One poll under way: its mailbox, the connection to it, where its mail goes, and its counts.

    `questions` is what is open about the messages that it fetches, `returning` what they may turn out to be.
    `as_it_comes` are the UIDLs of what is
    stored whatever comes, and stays on the server.
    """

    mailbox: Mailbox
    client: Client
    staging: Staging
    context: Context
    counts: Counts
    questions: Questions
    returning: Returning
    as_it_comes: frozenset[bytes] = frozenset()

    @property
    def ending(self) -> bool:
        """Whether to begin nothing more: the program is asked to stop, or the session has lasted long."""
        return self.context.stop.is_set() or self.client.expiring
