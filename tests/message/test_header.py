from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsluice.message.header import LIMIT, Header


def first(head: bytes, name: str) -> bytes | None:
    return Header(head).first(name)


def test_a_field_is_found_by_its_name() -> None:
    header = Header(b"Received: from x\r\nSubject: Hello\r\nTo: b@x, c@x\r\n\r\nFrom: of the body\r\n")
    assert [header.first(name) for name in ("subject", "to", "from")] == [b" Hello", b" b@x, c@x", None]


def test_field_names_know_no_case_and_may_have_space_before_the_colon() -> None:
    assert first(b"SUBJECT \t: x\r\n\r\n", "subject") == b" x"


def test_a_name_is_not_found_in_a_longer_one_nor_in_a_value() -> None:
    head = b"X-To: a\r\nTo-Do: b\r\nComments: To: c\r\n To: d\r\n\r\n"
    assert first(head, "to") is None


def test_bare_lf_ends_a_line_too() -> None:
    header = Header(b"Subject: x\nFrom: y\n\nTo: z\n")
    assert (header.first("subject"), header.first("from"), header.first("to")) == (b" x", b" y", None)


def test_an_empty_line_at_the_very_beginning_leaves_no_header() -> None:
    assert first(b"\r\nSubject: in the body\r\n", "subject") is None
    assert first(b"", "subject") is None


def test_of_two_fields_the_first_counts() -> None:
    assert first(b"Subject: one\r\nSubject: two\r\n\r\n", "subject") == b" one"


def test_folded_lines_are_unfolded() -> None:
    assert first(b"Subject: one\r\n two\r\n\tthree\r\n\r\n", "subject") == b" one two\tthree"


def test_every_field_of_a_name_is_told_in_order_and_unfolded() -> None:
    head = b"Received: one;\r\n two\r\nSubject: x\r\nRECEIVED : three\r\n\r\nReceived: of the body\r\n"
    assert Header(head).values("received") == [b" one; two", b" three"]
    assert Header(head).values("to") == []


@pytest.mark.parametrize(
    "line",
    [
        b"Hello, this is the body",
        b"Hello there: a name has no space in it",
        b": no name",
        b"\x00",
        b"\r",
        b"X\r: a bare CR",
        b"X\x00Y: a NUL",
        b"\xef\xbb\xbfX: a byte order mark",
        "Grüße: a name is ASCII".encode(),
        b"From x Mon Jan 1 00:00:00 2026",
    ],
)
def test_a_line_that_is_no_field_ends_the_header(line: bytes) -> None:
    header = Header(b"Subject: s\r\n" + line + b"\r\nTo: forged\r\n\r\nbody")
    assert (header.first("subject"), header.first("to")) == (b" s", None)
    assert not header.truncated


def test_a_line_of_white_space_alone_continues_a_field() -> None:
    header = Header(b"Subject: s\r\n \t\r\nTo: b@x\r\n\r\n")
    assert (header.first("subject"), header.first("to")) == (b" s \t", b" b@x")


def test_a_first_line_that_continues_nothing_is_passed_over() -> None:
    header = Header(b" Subject: no field\r\nTo: b@x\r\n\r\n")
    assert (header.first("subject"), header.first("to")) == (None, b" b@x")


@pytest.mark.parametrize("line", [b"From x@y Mon Jan 1 00:00:00 2026", b">From x@y Mon Jan 1 2026"])
def test_the_line_of_a_mailbox_file_is_passed_over_at_the_beginning(line: bytes) -> None:
    header = Header(line + b"\r\nFrom: a@x\r\n\r\n")
    assert header.first("from") == b" a@x"


def test_a_field_with_space_before_its_colon_is_no_line_of_a_mailbox_file() -> None:
    assert first(b"From : a@x\r\n\r\n", "from") == b" a@x"


def test_a_bare_cr_is_no_line_end() -> None:
    header = Header(b"Subject: s\rTo: forged\r\rX\r\n\r\n")
    assert (header.first("subject"), header.first("to")) == (b" s\rTo: forged\r\rX", None)


@pytest.mark.parametrize(
    ("head", "behind"),
    [
        (b"Subject: x\r\n\r\nbody", b"body"),
        (b"Subject: x\n\nbody", b"body"),
        (b"Subject: x\r\nno field\r\nTo: y\r\n", b"no field\r\nTo: y\r\n"),
        (b"From x\r\nSubject: x\r\n\r\nbody", b"body"),
        (b"\r\nbody", b"body"),
        (b"\nbody", b"body"),
        (b"body\n", b"body\n"),
    ],
)
def test_a_header_tells_where_it_ends(head: bytes, behind: bytes) -> None:
    end = Header(head).end
    assert end is not None
    assert head[end:] == behind


@pytest.mark.parametrize(
    "head", [b"", b"Subject: x", b"Subject: x\r\n", b"Subject: x\r\nbo", b"Subject: x\r\n\r"]
)
def test_the_end_is_not_told_before_it_is_certain(head: bytes) -> None:
    assert Header(head).end is None
    assert not Header(head).truncated


@given(
    st.lists(st.sampled_from([b"a", b":", b" ", b"\r\n", b"\n", b"\r", b"From ", b">"])).map(b"".join),
    st.data(),
)
def test_what_was_certain_of_a_beginning_holds_for_the_whole(whole: bytes, data: st.DataObject) -> None:
    beginning = whole[: data.draw(st.integers(0, len(whole)))]
    end = Header(beginning).end
    assert end in {None, Header(whole).end}


def test_a_field_that_is_cut_off_at_the_limit_is_left_out() -> None:
    header = Header((b"From: a\r\nSubject: " + b"x" * LIMIT)[:LIMIT])
    assert (header.first("from"), header.first("subject")) == (b" a", None)


def test_a_header_without_a_body_is_whole() -> None:
    assert first(b"Subject: x", "subject") == b" x"


@pytest.mark.parametrize(
    ("head", "truncated"),
    [
        (b"Subject: x\r\n\r\n" + LIMIT * b"x", False),
        (b"X: " + LIMIT * b"x", True),
        (b"X: " + (LIMIT - 20) * b"x" + b"\r\n\r\n" + LIMIT * b"y", False),
    ],
    ids=["a long body", "a long field", "almost too long"],
)
def test_a_header_says_whether_it_goes_on(head: bytes, truncated: bool) -> None:
    assert Header(head).truncated is truncated


def test_a_header_may_be_looked_for_in_fewer_octets() -> None:
    head = b"From: a\r\nSubject: x\r\n\r\n"
    header = Header(head, 12)
    assert (header.first("from"), header.first("subject"), header.truncated) == (b" a", None, True)
    assert not Header(head, 100).truncated


@pytest.mark.parametrize(
    "piece",
    [b"\r\n ", b"\n", b"\r", b":", b" ", b"a", b"a ", b"From ", b">From x\n", b"to:\n", b"to \n", b"a:\n\t"],
)
def test_time_grows_no_faster_than_the_header(piece: bytes) -> None:
    head = (b"To: " + piece * LIMIT)[:LIMIT]
    before = time.process_time()
    for each in (Header(head), Header(head[4:])):
        each.first("to")
        each.values("to")
    assert time.process_time() - before < 2
