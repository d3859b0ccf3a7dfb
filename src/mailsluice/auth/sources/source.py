"""The token source: who is asked for an access token, and what a token is.

Owns the port that every source keeps, and the check that somebody's words are a token at all, for they go
into the SASL string as they are. Must never look into a token, and never keep one.
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
    """An access token, and the seconds that it lives from the moment it was asked for.

    `lifetime` is 0 where nobody knows it: such a token is used once, and not kept.
    """

    value: str = field(repr=False)
    lifetime: float


class TokenSource(Protocol):
    """Who gives access tokens for one login. Safe among threads.

    It remembers nothing between two requests: that is the cache's part.
    """

    def ask(self) -> Token:
        """A new token, within LONGEST seconds.

        Raises SecretError, TokenRefused, TokenUnavailable, without a token or a secret in their words.
        """
        ...

    def unavailable(self, why: str) -> TokenUnavailable:
        """The error that says why this source could not be asked, with its name and what to do."""
        ...


def problem(token: str) -> str:
    """What is wrong with it as a bearer token (RFC 6750 §2.1), empty if nothing; never a part of it."""
    if not token:
        return "it is empty"
    if len(token) >= _MOST_CHARACTERS:
        return f"it has {len(token)} characters"
    if not all("!" <= character <= "~" for character in token):
        return "it has spaces, line ends or characters that no token has"
    return ""
