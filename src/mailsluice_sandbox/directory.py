"""The mailboxes of the simulated organization, and who may open them.

Owns the decision whether a credential opens a mailbox. Must never speak POP3.
"""

from __future__ import annotations

import threading

from mailsluice_sandbox.mailbox import SandboxMailbox
from mailsluice_sandbox.tokens import TokenIssuer


class Directory:
    """Mailboxes by address, in upper or lower case. Safe to use from any thread."""

    def __init__(self, tokens: TokenIssuer) -> None:
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

    def open_by_token(self, address: str, token: str) -> SandboxMailbox | None:
        """The mailbox that a token opens, or None. Exchange never says for which of many reasons."""
        mailbox = self._find(address)
        if mailbox is None:
            return None
        if (person := self._tokens.person(token)) is not None:
            return mailbox if person.lower() in {mailbox.address, *mailbox.shared_with} else None
        return mailbox if mailbox.full_access and self._tokens.opens_pop(token) else None

    def open_by_password(self, address: str, password: str) -> SandboxMailbox | None:
        """The mailbox that a password opens, or None."""
        mailbox = self._find(address)
        return mailbox if mailbox and mailbox.password == password else None

    def _find(self, address: str) -> SandboxMailbox | None:
        with self._lock:
            return self._mailboxes.get(address.lower())
