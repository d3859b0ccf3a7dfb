"""The context: what all sessions share, and what one session has for itself.

Owns no behaviour. Must never be more than a bundle of things that are always passed together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Event
from types import MappingProxyType
from typing import Protocol

from mailsluice.clock import Clock
from mailsluice.config.credentials import Credential
from mailsluice.config.models import Mailbox
from mailsluice.errors import Phase
from mailsluice.model import MailboxKey
from mailsluice.polling.slots import Slots
from mailsluice.session.counts import Counts
from mailsluice.session.ports import Client, Connect, Credentials, Ledger, Sink, Staging
from mailsluice.session.questions import Questions
from mailsluice.session.returning import Returning


class Progress(Protocol):
    """Somebody who watches polls. Called from several threads."""

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
        """One message of this many octets has come."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What all sessions work with.

    Once `stop` is set, a session ends after the message that is arriving. `live` are all mailboxes that are
    configured, and `configured` all credentials, by the names of their sections. `sink_at` finds a sink by
    its spec, for the mailbox with this key and name.
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
    live: Mapping[MailboxKey, Mailbox] = field(default_factory=lambda: MappingProxyType({}))
    configured: Mapping[str, Credential] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Session:
    """One poll under way: its mailbox, the connection to it, where its mail goes, and its counts.

    `questions` says which of the messages that it fetches may be stored already. `returning` says which
    stored messages may have come back under new UIDLs. `as_it_comes` are the UIDLs of messages that an
    administrator wants stored whatever comes; a notice in their place is stored, too, and deletes nothing.
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
        """Whether to begin nothing new: somebody asked it to stop, or the session has lasted long."""
        return self.context.stop.is_set() or self.client.expiring
