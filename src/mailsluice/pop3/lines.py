"""Lines: where a multi-line body ends, what its dots mean, and how a line is shown to people.

Owns the framing of RFC 1939 §3, on chunks that may be cut anywhere. Must never interpret a body: NUL, 8-bit
octets, bare CR and bare LF are data.
"""

from __future__ import annotations

_TERMINATOR = b"\r\n.\r\n"
_STUFFED = b"\r\n."
_CRLF = b"\r\n"

_SHOWN = 300
"""The most characters of a server's line that an error quotes; a reply has up to 512 (RFC 2449 §4)."""


class DotUnstuffer:
    """Turns a dot-stuffed body into its octets, chunk by chunk.

    The terminator is CRLF.CRLF and nothing else. Its first CRLF belongs to the body. The CRLF of the reply is
    put before the body, so that a dot at the very start of the body is no special case.
    """

    def __init__(self) -> None:
        self.ended = False
        self._carry = _CRLF  # octets that may begin a terminator or a stuffed dot: they wait for more
        self._unsent = len(_CRLF)  # octets at the start that are the reply's CRLF, not the body's

    def feed(self, data: bytes, start: int = 0) -> tuple[bytes, int]:
        """Read `data` from `start`. Returns octets of the body, and the position in `data` to go on from.

        Once the terminator has come `ended` is true. The octets from the returned position on then do not
        belong to this body; feed no more.
        """
        if self._unsent and self._carry == _CRLF and data[start : start + 1] not in {b"", b"."}:
            self._carry, self._unsent = b"", 0  # no dot at the very start: the reply's CRLF is not needed
        before = len(data)
        if self._carry:
            data, start = self._carry + data[start:], 0
        # To find one octet is much faster than to find three, and without a dot there is nothing to do.
        dot = data.find(b".", start)
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
        # The cut never goes through CRLF-dot: the carry begins with a CR, and only the first octet is one.
        # `stuffed` equals `end` if both are -1, or if the first such dot is the terminator's.
        # Split and join read the octets once; `replace` would read them twice.
        plain = certain if stuffed == end else _CRLF.join(certain.split(_STUFFED))
        if plain and self._unsent:
            plain, self._unsent = plain[self._unsent :], 0
        return plain, before - rest


def _overlap(data: bytes) -> int:
    """How many octets at the end of `data` may begin a terminator."""
    if b"\r" not in data:
        return 0
    for length in range(len(_TERMINATOR) - 1, 0, -1):
        if data.endswith(_TERMINATOR[:length]):
            return length
    return 0


def readable(line: bytes) -> str:
    """A server's line, safe in a terminal and a log: `?` for unprintable characters, cut if long."""
    # A hostile line may have megabytes. Only what is shown is decoded: at most four octets a character.
    text = line[: 4 * (_SHOWN + 1)].decode("utf-8", "replace")
    if len(text) <= _SHOWN and text.isprintable():
        return text
    shown = "".join(character if character.isprintable() else "?" for character in text[:_SHOWN])
    return shown + "…" if len(text) > _SHOWN else shown
