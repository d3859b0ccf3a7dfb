from __future__ import annotations

import encodings
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsluice import header
from mailsluice.header import LIMIT, Header


def describe(head: bytes) -> dict[str, str]:
    return Header(head).describe()


def subject(value: bytes) -> str:
    return describe(b"Subject: " + value + b"\r\n\r\nbody")["subject"]


def test_the_fields_people_look_for_are_found() -> None:
    head = (
        b"Received: from x\r\nMessage-ID: <1@x>\r\nSubject: Hello\r\nFrom: Ann <ann@x>\r\n"
        b"To: b@x, c@x\r\nDate: Sun, 1 Mar 2026 12:00:00 +0100\r\n\r\nSubject: not this\r\n"
    )
    assert describe(head) == {
        "message_id": "<1@x>",
        "subject": "Hello",
        "from": "Ann <ann@x>",
        "to": "b@x, c@x",
        "date": "Sun, 1 Mar 2026 12:00:00 +0100",
    }


def test_field_names_know_no_case_and_may_have_space_before_the_colon() -> None:
    assert describe(b"SUBJECT : x\r\n\r\n") == {"subject": "x"}


def test_bare_lf_ends_a_line_too() -> None:
    assert describe(b"Subject: x\nFrom: y\n\nTo: z\n") == {"subject": "x", "from": "y"}


def test_what_a_message_does_not_say_is_left_out() -> None:
    assert describe(b"") == {}
    assert describe(b"\r\nSubject: in the body\r\n") == {}


def test_of_two_fields_the_first_counts() -> None:
    assert describe(b"Subject: one\r\nSubject: two\r\n\r\n") == {"subject": "one"}


def test_folded_lines_are_unfolded() -> None:
    assert subject(b"one\r\n two\r\n\tthree") == "one two three"


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [
        (b"=?utf-8?q?h=C3=A9_llo?=", "h\u00e9 llo"),
        (b"=?UTF-8?B?aMOp?=", "h\u00e9"),
        (b"=?iso-8859-1*de?q?=FC?=", "\u00fc"),
        (b"a =?utf-8?q?b?= c", "a b c"),
        (b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?a?=\r\n =?iso-8859-1?q?=E9?=", "a\u00e9"),
        (b"=?utf-8?b?w6k=?= x =?utf-8?b?w6k=?=", "\u00e9 x \u00e9"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "\u00e9"),
        (b"=?utf-8?b?w6k?=", "\u00e9"),
        (b"=?gb2312?B?xOO6ww==?=", "\u4f60\u597d"),
        (b"=?utf-8?q??= x", "x"),
    ],
)
def test_encoded_words_are_decoded(encoded: bytes, decoded: str) -> None:
    assert subject(encoded) == decoded


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        (b"=?no-such-charset?q?ab=C3=A9?=", "ab\u00e9"),
        (b"=?zlib?b?eJw=?=", "x\ufffd"),
        (b"=?undefined?q?x?=", "x"),
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        (b"=?utf-8?q?abc", "=?utf-8?q?abc"),
        (b"=?utf-8?b?!!!?=", ""),
        (b"a\x00b\x1bc\x7f", "a\ufffdb\ufffdc\ufffd"),
        (b"=?utf-8?q?a=0D=0ABcc:_x?=", "a\ufffd\ufffdBcc: x"),
        (b"=?utf-7?q?+2AA-?=", "+2AA-"),
        (b"=?unicode_escape?q?=5Cud800?=", "\\ud800"),
        (b"=?punycode?q?mnchen-3ya?=", "mnchen-3ya"),
        (b"raw \xe9 octet", "raw \ufffd octet"),
        ("raw \u00e9".encode(), "raw \u00e9"),
    ],
)
def test_hostile_values_give_text(hostile: bytes, shown: str) -> None:
    assert subject(hostile) == shown


@pytest.mark.parametrize("charset", sorted(header._CHARSETS))
def test_every_charset_of_mail_is_one_that_python_has_and_knows_ascii_by(charset: str) -> None:
    for written in (charset, charset.upper(), charset.replace("-", "_")):
        assert subject(f"=?{written}?q?a?=".encode()) == "a"


def test_a_strangers_charset_is_not_remembered() -> None:
    subject(b"=?x-canary-1?q?a?= =?punycode?q?b?=")
    remembered = " ".join(vars(encodings)["_cache"])
    assert "canary" not in remembered


def test_a_field_that_is_cut_off_at_the_limit_is_left_out() -> None:
    head = b"From: a\r\nSubject: " + b"x" * 2**20
    assert describe(head) == {"from": "a"}
    assert describe(head[:LIMIT]) == {"from": "a"}


def test_a_header_without_a_body_is_whole() -> None:
    assert describe(b"Subject: x") == {"subject": "x"}


@pytest.mark.parametrize(
    "piece", [b"=?", b"=?a?q?", b"=?a?q?b", b"?", b"\r\n ", b"=?punycode?q?a-b?= ", b"=?idna?q?xn--a?="]
)
def test_time_grows_no_faster_than_the_header(piece: bytes) -> None:
    head = b"Subject: " + piece * (LIMIT // len(piece)) + b"\r\n\r\n"
    before = time.process_time()
    describe(head[: LIMIT - 9] + b"\r\n\r\n")
    assert time.process_time() - before < 2


PIECES = st.sampled_from(
    [
        b"Subject:",
        b"From:",
        b"\r\n",
        b"\n",
        b" ",
        b"=?utf-8?q?",
        b"?=",
        b"=?",
        b"=C3",
        b"\x00",
        b"\xff",
        b"=ED=A0=80",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=20)).map(b"".join))
def test_any_octets_give_text_that_every_json_reader_accepts(head: bytes) -> None:
    found = describe(b"Subject: " + head)
    json.dumps(found, ensure_ascii=False).encode("utf-8")
    assert all(ord(character) >= 32 for value in found.values() for character in value)


@given(
    st.sampled_from(
        ["utf-8", "utf-7", "utf-16", "idna", "punycode", "hz", "rot13", "hex", "raw_unicode_escape", "\u00e9"]
    ),
    st.sampled_from("qQbB"),
    st.binary(max_size=60),
)
def test_any_encoded_word_gives_text(charset: str, encoding: str, payload: bytes) -> None:
    value = f"=?{charset}?{encoding}?".encode() + payload + b"?="
    json.dumps(describe(b"Subject: " + value + b"\r\n\r\n"), ensure_ascii=False).encode("utf-8")


def test_every_field_of_a_name_is_told_in_order_and_unfolded() -> None:
    head = b"Received: one;\r\n two\r\nSubject: x\r\nRECEIVED : three\r\n\r\nReceived: of the body\r\n"
    assert Header(head).values("received") == (b" one; two", b" three")
    assert Header(head).values("to") == ()


@pytest.mark.parametrize(
    ("head", "truncated"), [(b"Subject: x\r\n\r\n", False), (b"X: " + LIMIT * b"x", True)]
)
def test_a_header_says_whether_it_goes_on(head: bytes, truncated: bool) -> None:
    assert Header(head).truncated is truncated
