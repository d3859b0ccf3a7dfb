from __future__ import annotations

import time
from email.headerregistry import Address, AddressHeader, HeaderRegistry
from email.utils import getaddresses
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsluice.message.addresses import Mailbox, parse
from mailsluice.message.text import shown, shown_words

SIZE = 64 * 1024


def read(value: str) -> list[tuple[str, str]]:
    return [(each.name, each.address) for each in parse(value, shown_words)]


def written(value: str) -> str:
    return ", ".join(map(str, parse(value, shown_words)))


def read_back(listed: str) -> list[tuple[str, str]]:
    """What the standard library's plain parser makes of a list, without the empty groups."""
    return [(name, address) for name, address in getaddresses([listed]) if address]


def read_back_by_registry(listed: str) -> tuple[Address, ...]:
    """What its thorough parser makes of it."""
    return cast("AddressHeader", HeaderRegistry()("to", listed)).addresses


@pytest.mark.parametrize(
    ("value", "entries"),
    [
        ("ann@x.example", [("", "ann@x.example")]),
        ("<ann@x.example>", [("", "ann@x.example")]),
        (" Ann  Smith\t<ann@x.example> ", [("Ann Smith", "ann@x.example")]),
        ('"Smith, Ann" <ann@x>, bob@x', [("Smith, Ann", "ann@x"), ("", "bob@x")]),
        (r'"Ann \"A\" \\ Smith" <ann@x>', [(r'Ann "A" \ Smith', "ann@x")]),
        ("Ann (of Sales) <ann@x>", [("Ann (of Sales)", "ann@x")]),
        ("ann@x (Ann (A.) Smith)", [("Ann (A.) Smith", "ann@x")]),
        (r"ann@x (Ann \) Smith)", [("Ann ) Smith", "ann@x")]),
        ("ann(a comment)@x(another)", [("a comment another", "ann@x")]),
        ('"ann"@x', [("", "ann@x")]),
        ('"a b"@x', [("", '"a b"@x')]),
        ('".a"@x', [("", '".a"@x')]),
        ("ann@[192.0.2.1]", [("", "ann@[192.0.2.1]")]),
        ("ann@[IPv6:2001:db8::1], b@x", [("", "ann@[IPv6:2001:db8::1]"), ("", "b@x")]),
        ("Team: ann@x, Bob <bob@x>; c@x", [("Team", ""), ("", "ann@x"), ("Bob", "bob@x"), ("", "c@x")]),
        ("Team: Bob <bob@x>;", [("Team", ""), ("Bob", "bob@x")]),
        ("undisclosed-recipients:;", [("undisclosed-recipients", "")]),
        ("kö@ö.example", [("", "kö@ö.example")]),
        ("", []),
        (" , ,, ", []),
    ],
)
def test_a_list_is_read_as_its_standard_has_it(value: str, entries: list[tuple[str, str]]) -> None:
    assert read(value) == entries


@pytest.mark.parametrize(
    ("value", "entries"),
    [
        ("<@a.example,@b.example:ann@x>", [("", "ann@x")]),
        ("<mailto:ann@x>", [("", "ann@x")]),
        ("ann . smith @ x . example", [("", "ann.smith@x.example")]),
        ("Smith, Ann <ann@x>", [("Smith, Ann", "ann@x")]),
        ("a@x, Smith, Ann <ann@x>", [("", "a@x"), ("Smith, Ann", "ann@x")]),
        ("Ann J. Smith <ann@x>", [("Ann J. Smith", "ann@x")]),
        ("J.R. <j@x>", [("J.R.", "j@x")]),
        ("[EXT] Ann <ann@x>", [("[EXT] Ann", "ann@x")]),
        ("SAP: Order 5 <sap@x>", [("SAP: Order 5", "sap@x")]),
        ("Ann Smith ann@x", [("Ann Smith", "ann@x")]),
        ('"Smith, Ann" ann@x', [("Smith, Ann", "ann@x")]),
        ("Ann <ann@x, Bob <bob@x", [("Ann", "ann@x"), ("Bob", "bob@x")]),
        ("Ann <ann@x> Bob <bob@x>", [("Ann", "ann@x"), ("Bob", "bob@x")]),
        ("<ann@x> Ann, bob@x", [("Ann", "ann@x"), ("", "bob@x")]),
        ("ann@x; bob@x;", [("", "ann@x"), ("", "bob@x")]),
        ("Team: ann@x, bob@x", [("Team", ""), ("", "ann@x"), ("", "bob@x")]),
        ("ann..smith.@x", [("", "ann..smith.@x")]),
        ('"ann..smith."@x', [("", "ann..smith.@x")]),
        ("Smith, ann@x", [("Smith", ""), ("", "ann@x")]),
        ("MAILER-DAEMON", [("MAILER-DAEMON", "")]),
        ("MAILER-DAEMON <>", [("MAILER-DAEMON <>", "")]),
        ("(Recipients suppressed)", [("Recipients suppressed", "")]),
    ],
)
def test_what_real_mail_writes_instead_is_understood(value: str, entries: list[tuple[str, str]]) -> None:
    assert read(value) == entries


@pytest.mark.parametrize(
    "value",
    [
        "a@b@x",
        "<a@b@x>",
        "a@",
        "@x",
        "a@.x",
        "a@x.",
        "a@x..y",
        ".a@x",
        "a@[",
        "a@[x y]",
        "a\x00@x",
        "a\u202e@x",
        "a\u00a0b@x",
        "a\udcff@x",
        "a@\ufffd",
        "a b@x c",
        "<a b@x>",
        'a"b"@x',
        '""@x',
        '"a""b"@x',
        '@"b"x',
        '"a  b"@x',
        "a@b c@x",
        '"b a@x',
        "(b a@x",
        '"=?utf-8?q?a?="@x',
        '"a\n"@x',
        '"a@x',
        "(a@x",
        "=?utf-8?q?a?=@x",
        "=?utf-8?q?a=40x?=",
        "a@=?utf-8?q?x?=",
    ],
)
def test_what_is_no_address_is_not_made_one(value: str) -> None:
    assert [address for _, address in read(value)] == [""]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("=?utf-8?q?chef=40contoso=2C_=3Cchef=40contoso=3E?=", "chef@contoso, <chef@contoso>"),
        ("=?utf-8?b?In0iLCBjaGVmQGNvbnRvc28sICI=?=", '"}", chef@contoso, "'),
        ('"=?utf-8?q?chef=40contoso=22_=3Cchef=40contoso=3E?="', 'chef@contoso" <chef@contoso>'),
        ("=?utf-8?q?chef=0D=0A_=3Cchef=40contoso=3E?=", "chef\ufffd\ufffd <chef@contoso>"),
        ("=?utf-7?q?chef+AEA-contoso+ACw-?=", "chef@contoso,"),
        ("=?utf-8?q?=3D=3Futf-8=3Fq=3Fchef=3D40contoso=3F=3D?=", "=?utf-8?q?chef=40contoso?="),
        ("chef@contoso", "chef@contoso"),
        ("chef@contoso,", None),
        ('"chef@contoso, <chef@contoso>"', "chef@contoso, <chef@contoso>"),
        ("(chef@contoso)", "chef@contoso"),
    ],
)
def test_a_crafted_name_stays_the_name_of_one_address(value: str, name: str | None) -> None:
    """Unless it is an address of its own as it stands."""
    named = f"{value} <eve@evil>"
    if name is None:
        assert read(named) == [("", "chef@contoso"), ("", "eve@evil")]
    else:
        assert read(named) == [(name, "eve@evil")]
        assert read_back(written(named)) == [(name, "eve@evil")]


@pytest.mark.parametrize(
    ("mailbox", "listed"),
    [
        (Mailbox("", "ann@x"), "ann@x"),
        (Mailbox("Ann Smith", "ann@x"), "Ann Smith <ann@x>"),
        (Mailbox("Köhler", "ute@x"), "Köhler <ute@x>"),
        (Mailbox("Köhler, Ute", "ute@x"), '"Köhler, Ute" <ute@x>'),
        (Mailbox('A "B" \\', "a@x"), r'"A \"B\" \\" <a@x>'),
        (Mailbox("=?utf-8?q?a?=", "a@x"), r'"=\?utf-8?q?a?=" <a@x>'),
        (Mailbox("Team", ""), "Team:;"),
        (Mailbox("a@b", ""), '"a@b":;'),
    ],
)
def test_a_name_is_quoted_where_it_must_be(mailbox: Mailbox, listed: str) -> None:
    assert str(mailbox) == listed


WORD = st.text("abcäÖ字019!#$%&'*+-/=^_`{|}~", min_size=1, max_size=5)
ATOM = st.text("abc019!#$%&'*+-/=^_`{|}~", min_size=1, max_size=5)
DOMAIN = st.lists(st.text("abcz019-", min_size=1, max_size=5), min_size=1, max_size=3).map(".".join)
ADDRESS = st.builds("{}@{}".format, st.lists(ATOM, min_size=1, max_size=3).map(".".join), DOMAIN)
PHRASE = st.lists(WORD, min_size=1, max_size=3).map(" ".join)
QUOTED = (
    st.text("ab,;:<>@()[].ä'", min_size=1, max_size=9)
    | st.lists(WORD | st.sampled_from(['\\"', "\\\\", "\\a"]), min_size=1).map("".join)
).map('"{}"'.format)
COMMENT = st.text("ab,;:<>@[]ä", min_size=1, max_size=9).map("({})".format)
MAILBOX = (
    ADDRESS
    | st.builds("{} {}".format, ADDRESS, COMMENT)
    | st.builds("{} <{}>".format, PHRASE | QUOTED, ADDRESS)
    | st.builds("{} {} <{}>".format, PHRASE | QUOTED, COMMENT, ADDRESS)
)


@given(st.lists(MAILBOX, max_size=4), st.sampled_from([",", ", ", " ,\t"]))
def test_a_well_formed_list_is_read_as_the_standard_library_reads_it(
    mailboxes: list[str], comma: str
) -> None:
    value = comma.join(mailboxes)
    assert read(value) == read_back(value)


@given(st.lists(MAILBOX, max_size=4).map(", ".join))
def test_an_entry_is_read_alike_in_company_of_one_that_is_unusual(value: str) -> None:
    assert read(f'"\\a" <a@x>, {value}')[1:] == read(value)


PIECES = st.sampled_from(
    ["a", "b@c", "Ann", "@", "<", ">", ",", ";", ":", '"', "\\", "(", ")", " ", "\t", ".", "..", "[", "]", "<x@y>", "@[192.0.2.1]",
     "=?utf-8?q?x=40y=2C=22=3C?=", "=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=", "=?", "?=", "=?utf-7?q?+AEA-?=",
     '"a b"@c', '".a"@c', '"a..b"@c', '""', "ä", "\u00a0", "\u202e", "\u2028", "\x00", "\r", "\n", "\x85", "\udcff"]
)  # fmt: skip
ANYTHING = st.lists(PIECES | st.text(max_size=3), max_size=14).map("".join)


@given(ANYTHING)
def test_whatever_is_written_a_plain_parser_reads_back(value: str) -> None:
    assert read_back(written(value)) == [(name, address) for name, address in read(value) if address]


@given(ANYTHING)
def test_whatever_is_written_a_thorough_parser_reads_back(value: str) -> None:
    named = [(name, address) for name, address in read(value) if address]
    found = read_back_by_registry(written(value))
    assert [each.display_name for each in found] == [name for name, _ in named]
    for each, (_, address) in zip(found, named, strict=True):
        (alone,) = read_back_by_registry(address)
        assert (each.username, each.domain) == (alone.username, alone.domain)


@given(ANYTHING)
def test_what_is_written_is_read_again_as_the_same(value: str) -> None:
    assert [(each.name, each.address) for each in parse(written(value), shown)] == read(value)


@pytest.mark.parametrize(
    "piece",
    ["(", ")", "<", ">", "<a@", ",", ";", ":", '"', '""', '"\\', "\\", "()", "(\\", "@", "a@", "@[", "a@b,", "a@b ", " ", "\t", "a,",
     ".", " .", "a .", "=?", "=?a?q?b?=,", "<@a,", "<a@b", "<>", "a:b;", "a@b (c),", '"a"@b,', "a\udcff@b,"],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "<", "\udcff,"])
def test_time_grows_no_faster_than_the_list(piece: str, before: str) -> None:
    begun = time.process_time()
    written(before + piece * (SIZE // len(piece)))
    assert time.process_time() - begun < 1
