from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsluice.errors import Phase, ProtocolViolation
from mailsluice.pop3.listing import parse_capabilities, parse_sizes, parse_stat, parse_uidls


def test_uidls_keep_the_servers_order_and_octets() -> None:
    assert parse_uidls(b"2 6500\r\n1 \xff!~\0\r\n10 6500\r\n") == (
        (2, b"6500"),
        (1, b"\xff!~\0"),
        (10, b"6500"),
    )


def test_an_empty_mailbox_has_no_uidls() -> None:
    assert parse_uidls(b"") == ()


def test_a_uidl_of_1024_octets_is_taken() -> None:
    assert parse_uidls(b"1 " + b"u" * 1024 + b"\r\n") == ((1, b"u" * 1024),)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"1",
        b"1 ",
        b" 1 a",
        b"-1 a",
        b"0 a",
        b"+1 a",
        b"01 a",
        b"12345678901 a",
        b"one a",
        b"\xd9\xa1 a",
        b"1 a b",
        b"1 a\rb",
        b"1 a\n2 b",
        b"1 " + b"u" * 1025,
        b"-ERR",
    ],
)
def test_a_line_that_is_no_number_and_uidl_breaks_the_protocol(line: bytes) -> None:
    with pytest.raises(ProtocolViolation) as broken:
        parse_uidls(b"5 good\r\n" + line + b"\r\n")
    assert broken.value.phase is Phase.LISTING
    assert broken.value.reply.isprintable()


def test_a_violation_names_the_line() -> None:
    with pytest.raises(ProtocolViolation, match="'-1 a'") as broken:
        parse_uidls(b"-1 a\r\n")
    assert broken.value.reply == "-1 a"


def test_a_number_that_comes_twice_breaks_the_protocol() -> None:
    with pytest.raises(ProtocolViolation, match="twice"):
        parse_uidls(b"1 a\r\n1 b\r\n")


def test_sizes_that_make_no_sense_are_passed_over() -> None:
    body = b"1 100\r\n2 -5\r\n3 1e9\r\n4\r\nx y\r\n5 1234567890123456\r\n6 60 extra\r\n\r\n"
    assert parse_sizes(body) == {1: 100, 6: 60}


@given(st.binary())
def test_no_body_breaks_the_parsers(body: bytes) -> None:
    parse_sizes(body)
    parse_capabilities(body)
    try:
        uidls = parse_uidls(body)
    except ProtocolViolation:
        return
    assert all(0 < number < 10**10 and uidl for number, uidl in uidls)


def test_capabilities_have_their_arguments() -> None:
    said = parse_capabilities(b"TOP\r\nUIDL\r\nSASL PLAIN XOAUTH2\r\nUSER\r\n")
    assert said == {"TOP": (), "UIDL": (), "SASL": ("PLAIN", "XOAUTH2"), "USER": ()}


@pytest.mark.parametrize(
    "body", [b"Pipelining\nuser\n", b"PIPELINING\r\r\nUSER\r\n", b"\r\nPIPELINING \r\nUSER"]
)
def test_odd_line_ends_and_case_do_not_hide_a_capability(body: bytes) -> None:
    assert set(parse_capabilities(body)) == {"PIPELINING", "USER"}


def test_stat_gives_count_and_octets() -> None:
    assert parse_stat("2 320") == (2, 320)
    assert parse_stat("2 320 and more words") == (2, 320)


@pytest.mark.parametrize("text", ["", "2", "-1 5", "2 -5", "a b", "1 1234567890123456"])
def test_a_stat_without_two_numbers_breaks_the_protocol(text: str) -> None:
    with pytest.raises(ProtocolViolation):
        parse_stat(text)
