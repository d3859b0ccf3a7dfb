"""An answer over HTTP, as the sandbox's servers send it.

Owns its octets on the wire. Must never know what the answer is about.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Self


@dataclass(frozen=True, slots=True)
class HttpReply:
    """An answer over HTTP."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, content: Mapping[str, object]) -> HttpReply:
        """An answer with a JSON body."""
        return cls(status, json.dumps(content).encode(), {"Content-Type": "application/json; charset=utf-8"})

    def dated(self, moment: datetime) -> Self:
        """The same answer with this moment in its `Date`, if it does not have one (RFC 9110 §6.6.1)."""
        return replace(
            self, headers={"Date": format_datetime(moment.astimezone(UTC), usegmt=True), **self.headers}
        )

    def encode(self) -> bytes:
        """The answer as octets on the wire."""
        phrase = HTTPStatus(self.status).phrase
        headers = {**self.headers, "Content-Length": str(len(self.body)), "Cache-Control": "no-store"}
        head = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*head, "", ""]).encode() + self.body


Handler = Callable[[Mapping[str, str]], HttpReply]
"""What answers a request with these fields."""
