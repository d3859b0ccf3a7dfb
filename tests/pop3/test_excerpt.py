"""Which lines of a long body are kept: the first and the last, within bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsluice.model import Window
from mailsluice.pop3 import excerpt as module
from mailsluice.pop3.excerpt import Excerpt


def lines(*numbers: int) -> bytes:
    return b"".join(b"%d u%d\r\n" % (number, number) for number in numbers)


def fed(body: bytes, window: Window | None, piece: int) -> Excerpt:
    excerpt = Excerpt(window)
    for start in range(0, len(body), piece):
        excerpt.feed(body[start : start + piece])
    return excerpt


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize(
    ("window", "kept"),
    [
        (None, range(1, 11)),
        (Window(10, 0), range(1, 11)),
        (Window(3, 0), [1, 2, 3]),
        (Window(0, 3), [8, 9, 10]),
        (Window(2, 2), [1, 2, 9, 10]),
    ],
)
def test_the_first_and_the_last_lines_are_kept(window: Window | None, kept: list[int], piece: int) -> None:
    excerpt = fed(lines(*range(1, 11)), window, piece)
    assert excerpt.body() == lines(*kept)
    assert excerpt.lines == 10


@pytest.mark.parametrize("window", [Window(1000, 0), Window(0, 1000), Window(500, 500)])
@pytest.mark.parametrize("piece", [1, 7, 40])
def test_no_more_is_kept_than_there_is_room_for_and_only_whole_lines(
    window: Window, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OCTETS", 64)
    body = fed(lines(*range(10, 60)), window, piece).body()
    assert 0 < len(body) <= 64
    numbers = [int(line.split()[0]) for line in body.splitlines()]
    assert body == lines(*numbers)
    assert (10 in numbers) == bool(window.first)
    assert (59 in numbers) == bool(window.last)


@given(st.lists(st.binary(min_size=1, max_size=20)), st.integers(0, 5), st.integers(0, 5))
def test_the_same_body_has_the_same_digest_however_it_comes(
    pieces: list[bytes], first: int, last: int
) -> None:
    window = Window(first, last) if first + last else None
    whole = Excerpt(window)
    whole.feed(b"".join(pieces))
    parts = Excerpt(window)
    for piece in pieces:
        parts.feed(piece)
    assert whole.digest == parts.digest
    assert whole.lines == parts.lines
