from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsluice.message import description
from mailsluice.message.description import TEXTS, Description, describe
from mailsluice.message.header import LIMIT, Header

CASES = Path(__file__).parents[1] / "cases" / "headers"


def described(head: bytes) -> Description:
    return describe(Header(head))


def case(name: str) -> Description:
    return described((CASES / f"hdr-{name}.eml").read_bytes())


def test_the_fields_people_look_for_are_told() -> None:
    head = (
        b"Received: from x\r\nMessage-ID: <1@x>\r\nSubject: Hello\r\nFrom: Ann <ann@x>\r\n"
        b"To: b@x, c@x\r\nCC: Team: d@x;\r\nDate: Sun, 1 Mar 2026 12:00:00 +0100\r\n\r\nSubject: not this\r\n"
    )
    assert described(head) == {
        "message_id": "<1@x>",
        "subject": "Hello",
        "from": "Ann <ann@x>",
        "to": "b@x, c@x",
        "cc": "Team:;, d@x",
        "date": "Sun, 1 Mar 2026 12:00:00 +0100",
        "from_addresses": ["ann@x"],
        "to_addresses": ["b@x", "c@x"],
        "cc_addresses": ["d@x"],
    }


def test_what_a_message_does_not_say_is_left_out() -> None:
    assert described(b"") == {}
    assert described(b"To:\r\n\r\n") == {"to": "", "to_addresses": []}


def test_of_two_fields_the_first_counts() -> None:
    head = b"From: a@x\r\nFrom: b@x\r\nSubject: one\r\nSubject: two\r\n\r\n"
    assert described(head) == {"subject": "one", "from": "a@x", "from_addresses": ["a@x"]}


def test_a_name_with_a_comma_is_quoted() -> None:
    found = case("comma")
    assert found["from"] == '"K\u00f6hler, Ute" <ute@contoso.example>'
    assert found["from_addresses"] == ["ute@contoso.example"]


def test_a_name_that_looks_like_an_address_is_none() -> None:
    found = case("spoof")
    assert found["from"] == '"chef@contoso.example <chef@contoso.example>," <eve@evil.example>'
    assert found["from_addresses"] == ["eve@evil.example"]


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("gb2312", "\u6731\u9555\u57fa \u53d1\u7968"),
        ("cp1252", "Rechnung \u00fcber 5,00 \u20ac \u2013 \u201eeilig\u201c"),
        ("sjis", "\u8acb\u6c42\u66f8\u2460"),
        ("longword", "\u8bf7" * 255),
    ],
)
def test_a_subject_is_read_in_the_charset_that_it_really_has(name: str, subject: str) -> None:
    assert case(name)["subject"] == subject


def test_nothing_is_decoded_in_a_message_id_or_a_date() -> None:
    assert case("wordinmsgid")["message_id"] == "<=?utf-8?Q?x?=@y.example>"
    assert described(b"Date: =?utf-8?q?now?=\r\n\r\n") == {"date": "=?utf-8?q?now?="}


def test_a_field_behind_the_headers_end_is_the_bodys() -> None:
    assert case("nosep") == {"subject": "s", "from": "a@b.example", "from_addresses": ["a@b.example"]}


def test_a_header_with_very_many_recipients_is_told_whole() -> None:
    found = case("bigto")
    recipients = found["to_addresses"]
    assert isinstance(recipients, list)
    assert recipients == [f"person{number}@filiale{number % 7}.contoso.example" for number in range(1200)]
    assert str(found["to"]).startswith("Teilnehmer Nummer 0 <person0@filiale0.contoso.example>, Teilnehmer")
    assert {"subject", "date", "message_id"} <= found.keys()
    assert "header_truncated" not in found


def test_a_header_that_is_too_long_is_said_to_be_truncated() -> None:
    head = b"From: a@x\r\nTo: " + b"b@x, " * LIMIT
    assert described(head) == {"from": "a@x", "from_addresses": ["a@x"], "header_truncated": True}


def test_a_list_too_long_to_be_any_mails_is_told_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(description, "_MOST", 2)
    assert "header_truncated" not in described(b"To: a@x, b@x\r\n\r\n")
    assert described(b"To: a@x, b@x, c@x\r\n\r\n") == {
        "to": "a@x, b@x",
        "to_addresses": ["a@x", "b@x"],
        "header_truncated": True,
    }


def test_an_address_with_letters_of_utf_8_is_one() -> None:
    found = described("From: Jürgen <jü@ö.example>\r\n\r\n".encode())
    assert (found["from"], found["from_addresses"]) == ("Jürgen <jü@ö.example>", ["jü@ö.example"])


@pytest.mark.parametrize(
    ("content_type", "letter"),
    [
        (b"text/plain; charset=iso-8859-7", "\u03b1"),
        (b'text/plain;\r\n format=flowed;\r\n CHARSET = "ISO-8859-7"; x=y', "\u03b1"),
        (b"text/plain; charset=utf-8", "\u00e1"),
        (b"multipart/mixed; boundary=x", "\u00e1"),
        (b"", "\u00e1"),
    ],
)
def test_raw_octets_are_read_in_the_charset_of_the_message(content_type: bytes, letter: str) -> None:
    head = (
        b'Subject: \xe1\r\nFrom: "\xe1" <a@x>\r\nTo: Team \xe1: b@x;\r\nContent-Type: %b\r\n\r\n'
        % content_type
    )
    found = described(head)
    assert found["subject"] == letter
    assert (found["from"], found["from_addresses"]) == (f"{letter} <a@x>", ["a@x"])
    assert (found["to"], found["to_addresses"]) == (f"Team {letter}:;, b@x", ["b@x"])


def test_an_address_with_raw_octets_that_are_not_utf_8_is_none() -> None:
    found = described(b"From: a\xe1@x, b@x\r\n\r\n")
    assert (found["from"], found["from_addresses"]) == ('"a\u00e1@x":;, b@x', ["b@x"])


def test_no_octet_of_a_wide_charset_divides_a_list() -> None:
    head = (
        "From: ファックス <fax@x>\r\n".encode("cp932")
        + b"Content-Type: text/plain; charset=shift_jis\r\n\r\n"
    )
    found = described(head)
    assert b"@" in "ァ".encode("cp932")
    assert (found["from"], found["from_addresses"]) == ("ファックス <fax@x>", ["fax@x"])


PIECES = st.sampled_from(
    [b"Subject:", b"From:", b"Cc:", b"\r\n", b"\n", b" ", b"=?utf-8?q?", b"=?utf-7?q?+2AA-?=", b"?=", b"=?", b"=C3", b"\x00", b"\xff",
     b"=ED=A0=80", b"<a@b>", b",", b'"', b"Content-Type: x; charset=", b"big5", b"utf-7"],
)  # fmt: skip


@given(st.sampled_from([b"Subject: ", b"From: "]), st.lists(PIECES | st.binary(max_size=20)).map(b"".join))
def test_any_octets_give_text_that_every_json_reader_accepts(name: bytes, head: bytes) -> None:
    found = described(name + head)
    json.dumps(found, ensure_ascii=False).encode("utf-8")
    texts = [str(found[text]) for text in TEXTS if text in found]
    assert not any(character < " " or "\x7f" <= character < "\xa0" for text in texts for character in text)


@pytest.mark.parametrize("piece", [b"\r\n ", b"a@b,", b"\xffa@b,", b"=?a?q?b?= ", b"\r\nFrom: x"])
@pytest.mark.parametrize("name", [b"To: ", b"Subject: ", b"Content-Type: x; charset="])
def test_time_grows_no_faster_than_the_header(name: bytes, piece: bytes) -> None:
    head = b"From: \xff\r\n" + name + piece * (LIMIT // 4 // len(piece)) + b"\r\n\r\n"
    before = time.process_time()
    described(head)
    assert time.process_time() - before < 2
