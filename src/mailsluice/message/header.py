"""The header of a message: where it ends, and the fields in it.

Owns what is a field and what is not (RFC 5322 §2.2). Pure and total: any input gives an answer, in linear
time, because strangers wrote every octet. Must never say what a value means, nor decide what is fetched or
deleted: anybody can write any header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

LIMIT = 1024 * 1024
"""The header is looked for in this many octets of a message. A field that goes beyond them is left out."""

_ENVELOPE = re.compile(rb"\n>?From (?![ \t]*:)[^\n]*(?=\n)")
"""The line before each message of an mbox file (RFC 4155). In a forwarded message it begins with `>`."""
_END = re.compile(rb"\n(?![ \t]|[!-9;-~]+[ \t]*:)")
"""The LF before a line that is neither a field nor its continuation. It is empty, or belongs to the body.

A line with only white space is a continuation (RFC 5322 §4.2). A field's name is printable ASCII without a
colon; white space may follow it (§4.5). A bare CR or a NUL is data, and cannot be in a name.
"""
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_FIELD_END = re.compile(rb"\n(?![ \t])")

_NAMES = (
    *("message-id", "date", "from", "to", "cc", "subject"),
    *("received", "content-type", "content-transfer-encoding"),
)
"""All fields that the program reads. One search finds them; real headers have fifty others."""
_FIELD = re.compile(rb"\n(%s)[ \t]*:" % "|".join(_NAMES).encode(), re.IGNORECASE)


class Header:
    """A message's header. `head` is its first octets, or what TOP gives (RFC 1939 §7).

    Only the first `limit` octets are read. Never raises. A field that may be cut off is left out.
    """

    def __init__(self, head: bytes, limit: int = LIMIT) -> None:
        octets = b"\n" + head[:limit]  # so that the first line begins after an LF, as all others do
        envelope = _ENVELOPE.match(octets)
        start = envelope.end() if envelope else 0
        # Only whole lines are searched: of the last one more octets may come.
        end = _END.search(octets, start, octets.rfind(b"\n"))
        self._cut = end is None and len(head) >= limit
        self._end = None if end is None else _behind(octets, end.start())
        self._values = _values(octets[start : end and end.start()].removesuffix(b"\r"), is_cut=self._cut)

    @property
    def truncated(self) -> bool:
        """Whether the header goes on after the octets that were read."""
        return self._cut

    @property
    def end(self) -> int | None:
        """The position in `head` where the body begins. None if these octets do not have the header's end."""
        return self._end

    def first(self, name: str) -> bytes | None:
        """The unfolded value of the first field with this name (`message-id`); None if there is none."""
        values = self._values[name]
        return values[0] if values else None

    def values(self, name: str) -> Sequence[bytes]:
        """The unfolded values of all fields with this name, in their order."""
        return self._values[name]


def _values(octets: bytes, *, is_cut: bool) -> Mapping[str, Sequence[bytes]]:
    """The unfolded values of the fields in `_NAMES`. The last one is left out if it may be cut off."""
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
    """The position of the body in `head`: after the line at `end` if that is empty, else this line itself."""
    # `octets` has one LF before `head`: a position in `head` is one less.
    empty = _EMPTY_LINE.match(octets, end)
    return empty.end() - 1 if empty else end
