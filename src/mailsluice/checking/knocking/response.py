"""The response: the login that every door gets, in the form of XOAUTH2.

Owns that form for all protocols but POP3. Must never show the token.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Self

from mailsluice.checking.knocking.dialogue import Dialogue
from mailsluice.errors import LoginRefused, Phase
from mailsluice.model import BearerToken
from mailsluice.net.xoauth2 import decode_challenge, initial_response


@dataclass(frozen=True, slots=True)
class Response:
    """What is sent to log in to the mailbox `address`: `line`, in which no error may quote `secrets`."""

    address: str
    line: bytes = field(repr=False)
    secrets: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, address: str, token: BearerToken) -> Self:
        """That of this token. Raises LoginRefused if the address or the token cannot be sent."""
        try:
            line = b64encode(initial_response(address, token.value))
        except ValueError as exc:
            raise LoginRefused(
                f"nothing was sent, because of the address or the token of {address!r}: {exc}",
                phase=Phase.AUTH,
            ) from exc
        return cls(address, line, tuple(filter(None, (line, token.value.encode()))))

    @staticmethod
    def reason(challenge: bytes, dialogue: Dialogue) -> str:
        """Why the server refuses, by the challenge that it sent after the token; empty if it says nothing."""
        return dialogue.quoted(decode_challenge(challenge).encode("utf-8", "replace"))
