"""The late source: one that is made when it is first asked.

Owns when msal and all that it needs are loaded. They take most of the time and memory of a poll, and with a
token from a file nobody asks. Must never know how a token is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from mailsluice.auth.secrets import Secrets
from mailsluice.clock import Clock
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import TokenUnavailable
from mailsluice.net.proxy import FindRoute, no_proxy

if TYPE_CHECKING:
    from mailsluice.auth.sources.source import Token, TokenSource


NoteEnd = Callable[[str, EntraCredential, datetime], None]
"""Notes when the proof of the credential with this name ends."""


def unnoted(_name: str, _credential: EntraCredential, _ends: datetime) -> None:
    """Note nothing: for whoever warns nobody."""


@dataclass(frozen=True, slots=True)
class Means:
    """What sources are made with. `find_route` is asked for each request.

    `note_end` is told when a certificate or a sign-in ends, whenever it is used.
    """

    secrets: Secrets
    clock: Clock
    find_route: FindRoute = no_proxy
    note_end: NoteEnd = unnoted


class LateSource:
    """The source of the tokens of `[credentials.NAME]`, made when it is first asked (a `TokenSource`)."""

    def __init__(self, name: str, credential: EntraCredential, means: Means) -> None:
        self._name = name
        self._credential = credential
        self._means = means

    @cached_property
    def made(self) -> TokenSource:
        """The source itself. Raises SecretError."""
        from mailsluice.auth.sources.ways import entra_source  # noqa: PLC0415  msal: see above

        return entra_source(self._name, self._credential, self._means)

    def ask(self) -> Token:
        """A new token. Raises SecretError, TokenRefused, TokenUnavailable, TokenBarred."""
        return self.made.ask()

    def unavailable(self, why: str) -> TokenUnavailable:
        """The error that says why the provider could not be asked."""
        return self.made.unavailable(why)
