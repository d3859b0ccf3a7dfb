"""The mailboxes of the simulated organization, and who may open them.

Owns the decision whether a credential opens a mailbox. Must never speak a protocol.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from mailsluice_sandbox.mailbox import NotConnected, SandboxMailbox
from mailsluice_sandbox.tokens import IMAP, POP, Bearer, Right, TokenIssuer


@dataclass(frozen=True, slots=True)
class Admission:
    """A login that succeeded, and whether a mailbox is behind it: `not_connected` if there is none."""

    mailbox: SandboxMailbox
    not_connected: NotConnected | None = None


class Directory:
    """Mailboxes by address, in upper or lower case. Safe to use from any thread.

    `service_principal` is the object ID that somebody gave to New-ServicePrincipal. It may be changed at any
    time. Only that of the Enterprise application is right; with None, or another one, no token of the app
    itself is accepted.
    """

    def __init__(self, tokens: TokenIssuer, service_principal: str | None) -> None:
        self.service_principal = service_principal
        self._tokens = tokens
        self._lock = threading.Lock()
        self._mailboxes: dict[str, SandboxMailbox] = {}

    def mailbox(self, address: str, password: str | None = None) -> SandboxMailbox:
        """The mailbox with this address; it is made if it is missing. `password` is its new one, if given."""
        with self._lock:
            mailbox = self._mailboxes.setdefault(address.lower(), SandboxMailbox(address.lower()))
        if password is not None:
            mailbox.password = password
        return mailbox

    def admit(self, address: str, token: str, right: Right = POP) -> Admission | None:
        """What a token opens, or None. Exchange never says for which of many reasons.

        Only SMTP says that it is switched off for a mailbox, so that is left to it.
        """
        bearer, mailbox = self._tokens.bearer(token, right), self._find(address)
        if bearer is None or mailbox is None or not _is_on(right, mailbox):
            return None
        if bearer.person is None and not self._opens(bearer, mailbox):
            return None
        if mailbox.not_connected:
            return Admission(mailbox, mailbox.not_connected)
        # A person has signed in, so the front end believes the token. Only the back end knows of the mailbox.
        is_stranger = bearer.person is not None and not _is_welcome(bearer.person, mailbox)
        return Admission(mailbox, NotConnected.SAYS if is_stranger else None)

    def open_by_password(self, address: str, password: str) -> SandboxMailbox | None:
        """The mailbox that a password opens, or None."""
        mailbox = self._find(address)
        return mailbox if mailbox and mailbox.pop_enabled and mailbox.password == password else None

    def _opens(self, bearer: Bearer, mailbox: SandboxMailbox) -> bool:
        return mailbox.full_access and bearer.object_id == self.service_principal

    def _find(self, address: str) -> SandboxMailbox | None:
        with self._lock:
            return self._mailboxes.get(address.lower())


def _is_on(right: Right, mailbox: SandboxMailbox) -> bool:
    return {POP: mailbox.pop_enabled, IMAP: mailbox.imap_enabled}.get(right, True)


def _is_welcome(person: str, mailbox: SandboxMailbox) -> bool:
    return person.lower() in {mailbox.address, *mailbox.aliases, *mailbox.shared_with}
