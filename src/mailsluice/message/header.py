"""The header of a message: where it ends, and the fields in it.

Owns what is a field and what is not (RFC 5322 §2.2). Pure and total: every byte is a stranger's, so any input
gives an answer, in linear time. Must never say what a value means, nor decide what is fetched or deleted:
anybody can write any header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

LIMIT = 1024 * 1024
"""Octets of a message in which the header is looked for; a field that is not whole within is left out."""

_ENVELOPE = re.compile(rb"\n>?From (?![ \t]*:)[^\n]*(?=\n)")
"""The line that a mailbox file has before each message (RFC 4155). A forwarded one begins with `>`."""
_END = re.compile(rb"\n(?![ \t]|[!-9;-~]+[ \t]*:)")
"""The LF before a line that is neither a field nor the continuation of one: empty, or of the body.

A line of white space alone is a continuation (RFC 5322 §4.2). A field's name is printable ASCII without a
colon; there may be white space behind it (§4.5). A bare CR or a NUL is data, and has no place in a name.
"""
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_FIELD_END = re.compile(rb"\n(?![ \t])")

_NAMES = (
    *("message-id", "date", "from", "to", "cc", "subject"),
    *("received", "content-type", "content-transfer-encoding"),
)
"""The fields that are looked for, in one go: all that the program reads. Real headers have fifty others."""
_FIELD = re.compile(rb"\n(%s)[ \t]*:" % "|".join(_NAMES).encode(), re.IGNORECASE)


class Header:
    """A message's header. `head` is its first octets, or what TOP gives (RFC 1939 §7).

    It is looked for in the first `limit` octets. Never raises. A field that may be cut off is left out.
    """

    def __init__(self, head: bytes, limit: int = LIMIT) -> None:
        octets = b"\n" + head[:limit]
        envelope = _ENVELOPE.match(octets)
        start = envelope.end() if envelope else 0
        end = _END.search(octets, start, octets.rfind(b"\n"))  # whole lines: more of the last one may come
        self._cut = end is None and len(head) >= limit
        self._end = None if end is None else _behind(octets, end.start())
        self._values = _values(octets[start : end and end.start()].removesuffix(b"\r"), is_cut=self._cut)

    @property
    def truncated(self) -> bool:
        """Whether the header goes on behind what was looked at."""
        return self._cut

    @property
    def end(self) -> int | None:
        """Where the message goes on behind the header, as far as these octets tell."""
        return self._end

    def first(self, name: str) -> bytes | None:
        """The unfolded value of the first field of this name (`message-id`); None where there is none."""
        values = self._values[name]
        return values[0] if values else None

    def values(self, name: str) -> Sequence[bytes]:
        """The unfolded values of every field of this name, in their order."""
        return self._values[name]


def _values(octets: bytes, *, is_cut: bool) -> Mapping[str, Sequence[bytes]]:
    """The unfolded values of the fields that are looked for. The last is left out if it may be cut off."""
    values: dict[str, list[bytes]] = {name: [] for name in _NAMES}
    for field in _FIELD.finditer(octets):
        found = _FIELD_END.search(octets, field.end())
        if found or not is_cut:
            value = octets[field.end() : found and found.start()].removesuffix(b"\r")
            if b"\n" in value:
                value = value.replace(b"\r\n", b"").replace(b"\n", b"")
            values[field[1].lower().decode()].append(value)
    return values


def _behind(octets: bytes, end: int) -> int:
    """Where the message goes on: behind the line at `end`, if it is empty. The first of `octets` is ours."""
    empty = _EMPTY_LINE.match(octets, end)
    return empty.end() - 1 if empty else end
