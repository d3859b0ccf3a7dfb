"""The token source: what gives access tokens, and what a token is.

Owns the port that every source implements, and the check that a text can be a token. The check matters,
because a token goes into the SASL string as it is. Must never decode a token, and never keep one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from mailsluice.errors import TokenUnavailable

LONGEST = 60.0
"""Seconds in which a source answers or gives up, unless the system itself hangs."""
_MOST_CHARACTERS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, and the seconds that it lives from the moment when it was asked for.

    `lifetime` is 0 if it is not known: such a token is used once, and not kept.
    """

    value: str = field(repr=False)
    lifetime: float


class TokenSource(Protocol):
    """Gives access tokens for one login. Safe among threads.

    It remembers nothing between two requests: the cache does that.
    """

    def ask(self) -> Token:
        """A new token, within LONGEST seconds.

        Raises SecretError, TokenRefused, TokenUnavailable. Their texts contain no token and no secret.
        """
        ...

    def unavailable(self, why: str) -> TokenUnavailable:
        """The error that says why this source could not be asked, which source it is, and what to do."""
        ...


def problem(token: str) -> str:
    """Why this cannot be a bearer token (RFC 6750 §2.1); empty if it can. Never contains a part of it."""
    if not token:
        return "it is empty"
    if len(token) >= _MOST_CHARACTERS:
        return f"it has {len(token)} characters"
    if not all("!" <= character <= "~" for character in token):
        return "it has spaces, line ends or characters that no token has"
    return ""
