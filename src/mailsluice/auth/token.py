"""The access token: what one may look like.

Owns the check that a provider's or a helper's words are a token at all, for they go into the SASL string
as they are. Must never look into a token.
"""

from __future__ import annotations

_LONGEST = 64 * 1024


def problem(token: str) -> str:
    """What is wrong with it as a bearer token (RFC 6750 §2.1), empty if nothing; never a part of it."""
    if not token:
        return "it is empty"
    if len(token) >= _LONGEST:
        return f"it has {len(token)} characters"
    if not all("!" <= character <= "~" for character in token):
        return "it has spaces, line ends or characters that no token has"
    return ""
