"""The SASL mechanism XOAUTH2: what we say, and what a refusal says.

Owns the two message formats alone. Must never send, log or keep anything.
Source: Microsoft's "Authenticate an IMAP, POP or SMTP connection using OAuth", section SASL XOAUTH2.
"""

from __future__ import annotations

import base64
import binascii
import json

from mailsluice.net.argument import refuse_controls


def initial_response(address: str, token: str) -> bytes:
    """The response that carries the token, before base64.

    Raises ValueError for control characters in either part, which could forge another field.
    """
    refuse_controls(address)
    refuse_controls(token)
    return f"user={address}\x01auth=Bearer {token}\x01\x01".encode()


def decode_challenge(challenge: bytes) -> str:
    """Why the token was refused: `status 401, scope https://…`, as hostile as it came.

    Empty if the challenge is no JSON object in base64: it may be anything then, our own response too.
    """
    try:
        said = json.loads(base64.b64decode(challenge, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return ""
    if not isinstance(said, dict):
        return ""
    facts = {name: said.get(name) for name in ("status", "scope")}
    return ", ".join(f"{name} {fact}" for name, fact in facts.items() if fact and isinstance(fact, str | int))
