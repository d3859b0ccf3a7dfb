"""The excerpt: the lines at the beginning and at the end of a long listing.

Owns how much of a body is kept in memory. Must never parse a line.
"""

from __future__ import annotations

from hashlib import sha256

from mailsluice.model import Window

OCTETS = 8 * 1024 * 1024
"""The most octets of a body that are kept: 100,000 lines with UIDLs of 70 octets (RFC 1939 §7)."""

_END = b"\n"


class Excerpt:
    """Takes a body in pieces. If it has more lines than the window, only its first and last lines are kept.

    Without a window all lines are kept. `lines` is how many came.
    """

    def __init__(self, window: Window | None) -> None:
        self.lines = 0
        self._digest = sha256()
        self._window = window
        # The share of OCTETS for the first lines. The last lines may take the rest.
        self._first = OCTETS * window.first // (window.first + window.last) if window else 0
        self._head = bytearray()  # the whole body, until it is too long
        self._tail = bytearray()
        self._is_parted = False

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        self._digest.update(piece)
        self.lines += piece.count(_END)
        if self._is_parted:
            self._tail += piece
            self._trim(2 * (OCTETS - self._first))  # twice the share, so that not every piece moves the tail
            return
        self._head += piece
        window = self._window
        if window and (len(self._head) > OCTETS or self.lines > window.first + window.last):
            self._part(window)

    @property
    def digest(self) -> bytes:
        """A digest of the whole body, of the lines that are not kept too."""
        return self._digest.digest()

    def body(self) -> bytes:
        """The lines that are kept; only whole lines. Empty if there is only one, and it is too long."""
        if not self._is_parted or self._window is None:
            return bytes(self._head)
        self._trim(OCTETS - self._first)
        spare = self._tail.count(_END) - self._window.last
        return bytes(self._head + self._tail[_end_of(self._tail, spare) :])

    def _part(self, window: Window) -> None:
        """Split what came into the first lines and the rest. From now on only the end of the rest is kept."""
        end = _end_of(self._head, window.first)
        if end > self._first:  # long lines: as many whole ones as the share has room for
            end = self._head.rfind(_END, 0, self._first) + 1
        self._head, self._tail = self._head[:end], self._head[end:]
        self._is_parted = True

    def _trim(self, most: int) -> None:
        """If the tail has more octets than `most`, keep only the whole lines at its end that have room."""
        if len(self._tail) > most:
            start = len(self._tail) - (OCTETS - self._first) - 1
            # `find` gives -1 for one line without end: then nothing of it is kept.
            del self._tail[: self._tail.find(_END, start) + 1 or len(self._tail)]


def _end_of(body: bytearray, lines: int) -> int:
    """The position behind this many lines, or the end of the body if it has fewer."""
    end = 0
    for _ in range(lines):
        end = body.find(_END, end) + 1
        if not end:
            return len(body)
    return end
