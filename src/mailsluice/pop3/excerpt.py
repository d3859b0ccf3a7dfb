"""The excerpt: of a long listing's lines, those of its beginning and of its end that are looked at.

Owns how much of a body is kept in memory. Must never parse a line.
"""

from __future__ import annotations

from hashlib import sha256

from mailsluice.model import Window

OCTETS = 8 * 1024 * 1024
"""So much of a body is kept at most: 100,000 messages with UIDLs of 70 octets, the most of RFC 1939 §7."""

_END = b"\n"


class Excerpt:
    """Takes a body in pieces, and keeps its lines: of more than the window has, the first and the last ones.

    Without a window it keeps all. `lines` is how many came.
    """

    def __init__(self, window: Window | None) -> None:
        self.lines = 0
        self._digest = sha256()
        self._window = window
        self._first = OCTETS * window.first // (window.first + window.last) if window else 0
        self._head = bytearray()  # all of it, until it is too much
        self._tail = bytearray()
        self._is_parted = False

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        self._digest.update(piece)
        self.lines += piece.count(_END)
        if self._is_parted:
            self._tail += piece
            self._trim(2 * (OCTETS - self._first))
            return
        self._head += piece
        window = self._window
        if window and (len(self._head) > OCTETS or self.lines > window.first + window.last):
            self._part(window)

    @property
    def digest(self) -> bytes:
        """What tells the body from any other."""
        return self._digest.digest()

    def body(self) -> bytes:
        """The lines that are kept."""
        if not self._is_parted or self._window is None:
            return bytes(self._head)
        self._trim(OCTETS - self._first)
        spare = self._tail.count(_END) - self._window.last
        return bytes(self._head + self._tail[_end_of(self._tail, spare) :])

    def _part(self, window: Window) -> None:
        """Keep the first lines apart from what follows, of which the last are kept."""
        end = _end_of(self._head, window.first)
        if end > self._first:
            end = self._head.rfind(_END, 0, self._first) + 1
        self._head, self._tail = self._head[:end], self._head[end:]
        self._is_parted = True

    def _trim(self, most: int) -> None:
        """Where there is more of the last lines than this, let go of all but what there is room for."""
        if len(self._tail) > most:
            start = len(self._tail) - (OCTETS - self._first) - 1
            del self._tail[: self._tail.find(_END, start) + 1 or len(self._tail)]


def _end_of(body: bytearray, lines: int) -> int:
    """Where so many lines end, or the body does."""
    end = 0
    for _ in range(lines):
        end = body.find(_END, end) + 1
        if not end:
            return len(body)
    return end
