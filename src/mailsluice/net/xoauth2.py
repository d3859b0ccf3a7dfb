"""The SASL mechanism XOAUTH2: our response, and the server's challenge after a refusal.

Owns only these two message formats. Must never send, log or keep anything.
Source: Microsoft's "Authenticate an IMAP, POP or SMTP connection using OAuth", section SASL XOAUTH2.
"""

from __future__ import annotations

import base64
import binascii
import json

from mailsluice.net.argument import refuse_controls


def initial_response(address: str, token: str) -> bytes:
    """The response that carries the token, before base64.

    Raises ValueError for control characters in either part, because these could forge another field.
    """
    refuse_controls(address)
    refuse_controls(token)
    return f"user={address}\x01auth=Bearer {token}\x01\x01".encode()


def decode_challenge(challenge: bytes) -> str:
    """Why the token was refused: `status 401, scope https://…`. The text is the server's, and not cleaned.

    Empty if the challenge is not a JSON object in base64. It may then be anything, even our own response with
    the token.
    """
    try:
        said = json.loads(base64.b64decode(challenge, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return ""
    if not isinstance(said, dict):
        return ""
    facts = {name: said.get(name) for name in ("status", "scope")}
    return ", ".join(f"{name} {fact}" for name, fact in facts.items() if fact and isinstance(fact, str | int))
