"""The app registration: what an administrator sets in Entra's portal for the app that reads mail.

Owns the app's ids, secrets, permissions and switches. Must never issue a token, or refuse one.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime


def _guid() -> str:
    return str(uuid.uuid4())


@dataclass(slots=True)
class ClientSecret:
    """A client secret: its Value proves the app until `ends` (None: for ever). Its `id` proves nothing."""

    value: str = field(default_factory=lambda: f"canary~{secrets.token_urlsafe(24)}", repr=False)
    id: str = field(default_factory=_guid)
    ends: datetime | None = None


@dataclass(slots=True)
class AppRegistration:
    """The app. Everything may be changed at any time, for the tokens that come after."""

    client_id: str = field(default_factory=_guid)
    name: str = "mailsluice"
    object_id: str = field(default_factory=_guid)
    """The object ID of the Enterprise application. Tokens have it as `oid`, and Exchange wants it."""
    registration_id: str = field(default_factory=_guid)
    """The object ID of the app registration, which is another one. Exchange has no use for it."""
    secrets: list[ClientSecret] = field(default_factory=lambda: [ClientSecret()])
    """Each of them proves the app."""
    roles: list[str] = field(default_factory=lambda: ["POP.AccessAsApp"])
    """The application permissions of Office 365 Exchange Online that an administrator consented to."""
    graph_roles: list[str] = field(default_factory=lambda: ["Mail.Read"])
    """The application permissions of Microsoft Graph that an administrator consented to."""
    scopes: list[str] = field(default_factory=lambda: ["POP.AccessAsUser.All"])
    """The delegated permissions that people, or an administrator for them, consented to."""
    disabled: bool = False
    """Whether somebody switched off "Enabled for users to sign-in" in Enterprise applications."""
    blocked: bool = False
    """Whether a Conditional Access policy for workload identities blocks the app itself."""

    def refusal_of(self, secret: str, now: datetime) -> int | None:
        """The AADSTS number with which this secret is refused; None if it proves the app."""
        found = next((known for known in self.secrets if known.value == secret), None)
        if found is None:
            return 7000215
        return 7000222 if found.ends and now >= found.ends else None
