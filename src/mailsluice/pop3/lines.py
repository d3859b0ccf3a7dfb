"""Lines: where a multi-line body ends, what its dots mean, and how a line is shown to people.

Owns the framing of RFC 1939 §3, on chunks cut anywhere. Must never look at what a body says: NUL, 8-bit,
bare CR and bare LF are data.
"""

from __future__ import annotations

_TERMINATOR = b"\r\n.\r\n"
_STUFFED = b"\r\n."
_CRLF = b"\r\n"

_SHOWN = 300
"""The most characters of a server's line that an error quotes; a reply has up to 512 (RFC 2449 §4)."""


class DotUnstuffer:
    """Turns a dot-stuffed body into its octets, chunk by chunk.

    The terminator is CRLF.CRLF and nothing else; its first CRLF belongs to the body. The body is taken to
    stand after a CRLF, that of the reply, so that a dot at its very start is no special case.
    """

    def __init__(self) -> None:
        self.ended = False
        self._carry = _CRLF
        self._unsent = len(_CRLF)

    def feed(self, data: bytes, start: int = 0) -> tuple[bytes, int]:
        """The octets that are certain by now, and where in `data`, which is read from `start`, to go on.

        Once the terminator has come `ended` is true, and what is there to go on with is another matter; feed
        no more then.
        """
        if self._unsent and self._carry == _CRLF and data[start : start + 1] not in {b"", b"."}:
            self._carry, self._unsent = b"", 0  # no dot at the very start: nothing to look back for
        before = len(data)
        if self._carry:
            data, start = self._carry + data[start:], 0
        dot = data.find(b".", start)  # much faster than the rest, which is of no use without
        stuffed = data.find(_STUFFED, max(start, dot - len(_CRLF))) if dot >= 0 else -1
        end = data.find(_TERMINATOR, stuffed) if stuffed >= 0 else -1
        if end >= 0:
            self.ended = True
            certain, self._carry = data[start : end + len(_CRLF)], b""
            rest = len(data) - end - len(_TERMINATOR)
        else:
            cut = len(data) - _overlap(data[max(start, len(data) - len(_TERMINATOR)) :])
            certain, self._carry = data[start:cut], data[cut:]
            rest = 0
        # No stuffed dot is missed at the cut: the carry begins with a CR, and CRLF. has but one, its first.
        plain = certain if stuffed == end else _CRLF.join(certain.split(_STUFFED))
        if plain and self._unsent:
            plain, self._unsent = plain[self._unsent :], 0
        return plain, before - rest


def _overlap(data: bytes) -> int:
    """How many octets at the end of `data` may be the beginning of a terminator."""
    if b"\r" not in data:
        return 0
    for length in range(len(_TERMINATOR) - 1, 0, -1):
        if data.endswith(_TERMINATOR[:length]):
            return length
    return 0


def readable(line: bytes) -> str:
    """A server's line, safe in a terminal and a log: what is unprintable becomes `?`, what is long is cut."""
    text = line[: 4 * (_SHOWN + 1)].decode("utf-8", "replace")  # a character has four octets at most
    if len(text) <= _SHOWN and text.isprintable():
        return text
    shown = "".join(character if character.isprintable() else "?" for character in text[:_SHOWN])
    return shown + "…" if len(text) > _SHOWN else shown
