"""The late source: one that is made when it is first asked.

Owns when msal and all that it needs are loaded. They take most of the time and memory of a poll, and with a
token from a file nobody asks. Must never know how a token is asked for.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from mailsluice.auth.sources.means import Means
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import TokenUnavailable

if TYPE_CHECKING:
    from mailsluice.auth.sources.source import Token, TokenSource


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
