from __future__ import annotations

import itertools
import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsluice.pop3.lines import DotUnstuffer, readable
from pop3.scripted import Cut

# Few different octets, so that every sequence that matters comes up often.
TRICKY = st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"x", b"\0"]), max_size=40)


REPLY = b"+OK\r\n"


def unstuff(chunks: list[bytes]) -> tuple[bytes, bool, bytes]:
    """As it goes on after the line of a reply; what is certain, whether it ended, and what came after that."""
    unstuffer = DotUnstuffer()
    plain = rest = b""
    start, before = len(REPLY), REPLY
    for chunk in chunks:
        if unstuffer.ended:
            rest += chunk
        else:
            certain, end = unstuffer.feed(before + chunk, start)
            plain += certain
            rest = (before + chunk)[end:]
        start, before = 0, b""
    return plain, unstuffer.ended, rest


def reference(data: bytes) -> tuple[bytes, bool, bytes]:
    """The same, the slow way: line by line, all octets at hand."""
    plain = b""
    while (end := data.find(b"\r\n")) >= 0:
        line, data = data[: end + 2], data[end + 2 :]
        if line == b".\r\n":
            return plain, True, data
        plain += line.removeprefix(b".")
    return plain + data.removeprefix(b"."), False, b""


def stuff(body: bytes) -> bytes:
    return re.sub(rb"(\A|\r\n)\.", rb"\1..", body) + b".\r\n"


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"..a\r\n...\r\n.\r\n", b".a\r\n..\r\n"),
        (b"a\r\n.b\r\n.\r\n", b"a\r\nb\r\n"),
        (b"\n.\n.\r\n.\r\n", b"\n.\n.\r\n"),
        (b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n"),
        (b"a\r.\r\nb\r\n.\r\n", b"a\r.\r\nb\r\n"),
        (b"a\r\r\n.\r\n", b"a\r\r\n"),
        (b"\r\n\r\n\r\n.\r\n", b"\r\n\r\n\r\n"),
        (b"a\r\n.\rb\r\n.\r\n", b"a\r\n\rb\r\n"),
        (b"\0\xff\x80\r\n.\r\n", b"\0\xff\x80\r\n"),
        (b"x" * 5000 + b"\r\n.\r\n", b"x" * 5000 + b"\r\n"),
    ],
)
def test_a_body_ends_at_crlf_dot_crlf_and_nothing_else(wire: bytes, body: bytes, cut: Cut) -> None:
    assert unstuff(cut(wire)) == (body, True, b"")


def test_what_follows_the_terminator_is_left_over(cut: Cut) -> None:
    assert unstuff(cut(b"a\r\n.\r\n+OK next\r\n..")) == (b"a\r\n", True, b"+OK next\r\n..")


def test_nothing_but_a_possible_terminator_is_held_back() -> None:
    unstuffer = DotUnstuffer()
    assert unstuffer.feed(b"abc\r\nde") == (b"abc\r\nde", 7)
    assert unstuffer.feed(b"f\r\n.") == (b"f", 4)
    assert unstuffer.feed(b".") == (b"\r\n.", 1)


@given(TRICKY, st.lists(st.integers(0, 60), max_size=6))
def test_cut_anywhere_it_says_what_the_line_by_line_way_says(pieces: list[bytes], places: list[int]) -> None:
    data = b"".join(pieces)
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    plain, ended, rest = unstuff([data[a:b] for a, b in itertools.pairwise(edges)])
    expected, must_end, expected_rest = reference(data)
    assert (ended, rest) == (must_end, expected_rest)
    if must_end:
        assert plain == expected
    else:
        assert expected.startswith(plain)


@given(TRICKY)
def test_every_body_comes_back_from_its_stuffed_form(pieces: list[bytes]) -> None:
    body = b"".join(pieces) + b"\r\n"
    assert unstuff([stuff(body)]) == (body, True, b"")


def test_a_line_is_shown_without_control_characters() -> None:
    assert readable(b"a\x1b[31mb\0\r\n\xe2\x80\xae\xff") == "a?[31mb????\ufffd"


def test_a_long_line_is_shown_cut() -> None:
    assert readable(b"x" * 1000) == "x" * 300 + "…"


def test_of_a_line_of_megabytes_only_the_beginning_is_decoded() -> None:
    line = "\U0001f4a3".encode() * 1_000_000
    tracemalloc.start()
    try:
        assert readable(line) == "\U0001f4a3" * 300 + "…"
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
