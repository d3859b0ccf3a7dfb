"""The SASL mechanism XOAUTH2: what we say, and what a refusal says.

Owns the two message formats alone. Must never send, log or keep anything.
Source: Microsoft's "Authenticate an IMAP, POP or SMTP connection using OAuth", section SASL XOAUTH2.
"""

from __future__ import annotations

import base64
import binascii
import json

from mailsluice.pop3.commands import refuse_controls
from mailsluice.pop3.lines import readable


def initial_response(address: str, token: str) -> bytes:
    """The response that carries the token, before base64.

    Raises ValueError for control characters in either part, which could forge another field.
    """
    refuse_controls(address)
    refuse_controls(token)
    return f"user={address}\x01auth=Bearer {token}\x01\x01".encode()


def decode_challenge(challenge: bytes) -> str:
    """Why the token was refused, for people: `status 401, scope https://…`.

    Empty if there is no challenge; the challenge itself, made readable, if it is no JSON object in base64.
    """
    try:
        said = json.loads(base64.b64decode(challenge, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return readable(challenge)
    if not isinstance(said, dict):
        return readable(challenge)
    facts = [f"{name} {said[name]}" for name in ("status", "scope") if said.get(name)]
    return readable(", ".join(facts).encode("utf-8", "replace"))
