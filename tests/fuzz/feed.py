"""What the targets share: how octets are given out, cut up, and multiplied."""

from __future__ import annotations

import itertools
import time
import zlib
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Feed:
    """The engine's octets: choices from the front, and all that is left as it stands."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def octet(self) -> int:
        """The next octet; 0 where there is none."""
        first, self._data = self._data[:1], self._data[1:]
        return first[0] if first else 0

    def one_of(self, things: tuple[T, ...]) -> T:
        return things[self.octet() % len(things)]

    def number(self) -> int:
        """Of two octets."""
        return self.octet() << 8 | self.octet()

    def take(self, count: int) -> bytes:
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def rest(self) -> bytes:
        taken, self._data = self._data, b""
        return taken

    def __bool__(self) -> bool:
        return bool(self._data)


def cut(data: bytes, places: bytes) -> list[bytes]:
    """The data in pieces, none empty; each octet of `places` is a place to cut, in 256ths of the whole."""
    edges = sorted({0, *(len(data) * place // 256 for place in places), len(data)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def is_measured(data: bytes) -> bool:
    """Whether this input, one of 256, is for a test of speed, which takes a thousand times as long as others."""
    return zlib.crc32(data) % 256 == 0


def swollen(data: bytes, octets: int) -> bytes:
    """The data again and again, `octets` in all."""
    return (data * (octets // max(len(data), 1) + 1))[:octets]


def within_seconds(most: float, work: Callable[[], T]) -> T:
    """Do it, and fail if it takes more of the processor's time: what is not linear takes far more."""
    begun = time.process_time()
    done = work()
    assert time.process_time() - begun < most
    return done


def unstuffed(data: bytes) -> tuple[bytes, bool, bytes]:
    """A dot-stuffed body the slow way (RFC 1939 §3): its octets, whether it ended, what followed."""
    plain: list[bytes] = []
    while (end := data.find(b"\r\n")) >= 0:
        line, data = data[: end + 2], data[end + 2 :]
        if line == b".\r\n":
            return b"".join(plain), True, data
        plain.append(line[1:] if line.startswith(b".") else line)
    return b"".join(plain), False, b""
