from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsluice.errors import Phase, ProtocolViolation
from mailsluice.model import Lines, Listed
from mailsluice.pop3.listing import parse_capabilities, parse_listing, parse_stat


def test_uidls_keep_the_servers_order_and_octets() -> None:
    assert parse_listing(b"2 6500\r\n1 \xff!~\0\r\n10 6500\r\n", b"").usable == (
        Listed(2, b"6500"),
        Listed(1, b"\xff!~\0"),
        Listed(10, b"6500"),
    )


@pytest.mark.parametrize("order", list(permutations([b"1 100\r\n", b"2 200\r\n", b"4 400\r\n"])))
def test_each_message_has_the_size_that_list_gives_its_number_in_whatever_order(order: list[bytes]) -> None:
    listing = parse_listing(b"1 a\r\n2 b\r\n3 c\r\n", b"".join(order)).usable

    assert [listed.size for listed in listing] == [100, 200, None]


def test_an_empty_mailbox_has_no_uidls() -> None:
    assert parse_listing(b"", b"1 2\r\n") == Lines(())


def test_a_uidl_of_512_octets_is_taken() -> None:
    assert parse_listing(b"1 " + b"u" * 512 + b"\r\n", b"") == Lines((Listed(1, b"u" * 512),))


NUMBERED = [b"1 a b", b"1 a\rb", b"1 a\n2 b", b"1 " + b"u" * 513]
UNUSABLE = [
    *NUMBERED,
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
    b"x 1 a",
    b"-ERR",
]


@pytest.mark.parametrize("place", ["first", "between", "last", "last without an end"])
@pytest.mark.parametrize("line", UNUSABLE)
def test_a_line_that_is_no_number_and_uidl_holds_its_message_and_no_other(line: bytes, place: str) -> None:
    good, bad = [b"5 good\r\n", b"6 fine\r\n"], line + b"\r\n"
    at = {"first": 0, "between": 1}.get(place, 2)
    if place.endswith("end"):
        bad = line or b" "
    listing = parse_listing(b"".join([*good[:at], bad, *good[at:]]), b"")

    assert listing.usable == (Listed(5, b"good"), Listed(6, b"fine"))
    assert listing.unusable == len(listing.examples) == 1
    assert listing.examples[0].isprintable()


@pytest.mark.parametrize("line", NUMBERED)
def test_messages_of_which_none_has_a_usable_uidl_are_all_held(line: bytes) -> None:
    messages = parse_listing(2 * (line + b"\r\n"), b"")

    assert (messages.usable, messages.unusable) == ((), 2)


@pytest.mark.parametrize("line", [line for line in UNUSABLE if line not in NUMBERED])
def test_a_listing_of_such_lines_alone_breaks_the_protocol(line: bytes) -> None:
    with pytest.raises(ProtocolViolation) as broken:
        parse_listing(2 * (line + b"\r\n"), b"")
    assert broken.value.phase is Phase.LISTING
    assert broken.value.reply.isprintable()


def test_of_many_unusable_lines_twenty_are_shown() -> None:
    listing = parse_listing(b"1 a\r\n" + 30 * b"no\r\n", b"")
    assert (listing.unusable, listing.examples) == (30, ("no",) * 20)


def test_a_violation_names_the_line() -> None:
    with pytest.raises(ProtocolViolation, match="'-1 a'") as broken:
        parse_listing(b"-1 a\r\n", b"")
    assert broken.value.reply == "-1 a"


@pytest.mark.parametrize(
    "body", [b"9 x\r\n1 a\r\n1 b\r\n", b"1 a\r\n9 x\r\n1 c\r\n", b"2 a\r\n9 x\r\n2 c\r\n"]
)
def test_messages_whose_number_comes_twice_are_held(body: bytes) -> None:
    listing = parse_listing(body, b"")
    assert listing.usable == (Listed(9, b"x"),)
    assert listing.unusable == 2


def test_sizes_that_make_no_sense_are_passed_over() -> None:
    body = b"1 100\r\n2 -5\r\n3 1e9\r\n4\r\nx y\r\n5 1234567890123456\r\n6 60 extra\r\n\r\n"
    uidls = b"".join(b"%d u%d\r\n" % (number, number) for number in range(1, 7))
    sizes = [listed.size for listed in parse_listing(uidls, body).usable]
    assert sizes == [100, None, None, None, None, 60]


@given(st.binary(), st.binary())
def test_no_body_breaks_the_parsers(body: bytes, sizes: bytes) -> None:
    parse_capabilities(body)
    try:
        listing = parse_listing(body, sizes).usable
    except ProtocolViolation:
        return
    assert all(0 < listed.number < 10**10 and listed.uidl for listed in listing)


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
