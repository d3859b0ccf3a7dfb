from __future__ import annotations

import encodings
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsluice.message import text
from mailsluice.message.text import codec_for, shown, shown_words

SIZE = 64 * 1024


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [
        ("=?utf-8?q?h=C3=A9_llo?=", "h\u00e9 llo"),
        ("=?UTF-8?B?aMOp?=", "h\u00e9"),
        ("=?iso-8859-1*de?q?=FC?=", "\u00fc"),
        ("a =?utf-8?q?b?= c", "a b c"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?=\t=?iso-8859-1?q?=E9?=", "a\u00e9"),
        ("=?utf-8?b?w6k=?= x =?utf-8?b?w6k=?=", "\u00e9 x \u00e9"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "\u00e9"),
        ("=?utf-8?b?w6k?=", "\u00e9"),
        ("=?utf-8?q??= x", "x"),
        ("=?utf-8?q?with a space?=", "with a space"),
    ],
)
def test_encoded_words_are_decoded(encoded: str, decoded: str) -> None:
    assert shown_words(encoded) == decoded


def test_an_encoded_word_may_be_of_any_length() -> None:
    assert shown_words(f"=?utf-8?q?{'=C3=A9' * 10_000}?=") == "\u00e9" * 10_000


@pytest.mark.parametrize(
    ("label", "octets", "letters"),
    [
        ("gb2312", "=E9F", "\u9555"),  # a character of GBK
        ("gb_2312-80", "=C4=E3", "\u4f60"),
        ("iso-8859-1", "=80=84=93", "\u20ac\u201e\u201c"),
        ("iso-8859-1", "=C3=A9", "\u00c3\u00a9"),
        ("us-ascii", "=E9", "\u00e9"),
        ("iso-8859-9", "=80=FD", "\u20ac\u0131"),
        ("shift_jis", "=87@", "\u2460"),
        ("x-sjis", "=87@", "\u2460"),
        ("ks_c_5601-1987", "=81A", "\uac02"),
        ("ks_c_5601", "=81A", "\uac02"),
        ("euc-kr", "=81A", "\uac02"),
        ("big5", "=A3=E1", "\u20ac"),
        ("iso-8859-8-i", "=E0", "\u05d0"),
        ("windows-874", "=80=A1", "\u20ac\u0e01"),
        ("tis-620", "=A1", "\u0e01"),
        ("ibm850", "=81", "\u00fc"),
        ("utf-7", "a+AOk-b", "a\u00e9b"),
        ("windows-1258", "=D0", "\u0110"),
    ],
)
def test_a_charset_is_what_senders_mean_by_it(label: str, octets: str, letters: str) -> None:
    assert shown_words(f"=?{label}?q?{octets}?=") == letters


@pytest.mark.parametrize("charset", sorted(text._CODECS))
def test_every_charset_of_mail_is_one_that_python_has_and_knows_ascii_by(charset: str) -> None:
    for written in (charset, charset.upper(), charset.replace("-", "_")):
        assert shown_words(f"=?{written}?q?a?=") == "a"


@pytest.mark.parametrize("octets", ["\u00e9\u00fc".encode(), b"\xe9\xfc"])
def test_a_charset_nobody_knows_is_utf_8_or_windows_1252(octets: bytes) -> None:
    word = "".join(f"={octet:02X}" for octet in octets)
    assert shown_words(f"=?x-unknown?q?{word}?=") == "\u00e9\u00fc"


def test_a_strangers_charset_is_not_remembered() -> None:
    shown_words("=?x-canary-1?q?a?= =?punycode?q?b?=")
    remembered = " ".join(vars(encodings)["_cache"])
    assert "canary" not in remembered


@pytest.mark.parametrize(
    ("hostile", "seen"),
    [
        ("=?zlib?b?eJw=?=", "x\u0153"),
        ("=?undefined?q?x?=", "x"),
        ("=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        ("=?utf-8?q?abc", "=?utf-8?q?abc"),
        ("=?utf-8?b?!!!?=", ""),
        ("a\x00b\x1bc\x7f", "a\ufffdb\ufffdc\ufffd"),
        ("=?utf-8?q?a=0D=0ABcc:_x?=", "a\ufffd\ufffdBcc: x"),
        ("=?utf-7?q?+2AA-?=", "\ufffd"),
        ("=?utf-7?q?+//?=", "\ufffd"),
        ("=?utf-8?q?=ED=A0=80?=", "\ufffd\ufffd\ufffd"),
        ("=?unicode_escape?q?=5Cud800?=", "\\ud800"),
        ("=?punycode?q?mnchen-3ya?=", "mnchen-3ya"),
        ("\udcff", "\ufffd"),
    ],
)
def test_hostile_words_give_text(hostile: str, seen: str) -> None:
    assert shown_words(hostile) == seen


def test_what_is_only_shown_keeps_its_encoded_words() -> None:
    assert shown(" <=?utf-8?q?x?=@y>\x07\t ") == "<=?utf-8?q?x?=@y>\ufffd"


@pytest.mark.parametrize(
    ("octets", "declared", "letters"),
    [
        ("\u00e9".encode(), "iso-8859-7", "\u00e9"),
        (b"\xe9", "", "\u00e9"),
        (b"\xe9", "no-such", "\u00e9"),
        (b"\xe9", "utf-8", "\u00e9"),
        (b"\xe1", "ISO-8859-7", "\u03b1"),
        (b"\xb5\xc7", "gb2312", "\u767b"),
        (b"\xe9!", "gb2312", "\u00e9!"),
        (b"\x81\xe9", "iso-8859-1", "\ufffd\u00e9"),
    ],
)
def test_raw_octets_are_utf_8_or_as_declared_or_windows_1252(
    octets: bytes, declared: str, letters: str
) -> None:
    assert octets.decode(codec_for(octets, declared), "replace").lower() == letters


@pytest.mark.parametrize("declared", ["utf-7", "hz-gb-2312", "iso-2022-jp", "iso-2022-kr"])
def test_octets_beyond_ascii_are_no_seven_bit_charset(declared: str) -> None:
    assert codec_for(b"+ADw- ~{<:Ky~} \x1b$B4A\x1b(B \xe9", declared) == "cp1252"


@given(
    st.sampled_from(
        [*sorted(text._CODECS), "utf-16", "idna", "punycode", "rot13", "hex", "raw_unicode_escape", "\u00e9"]
    ),
    st.sampled_from("qQbB"),
    st.text(max_size=60),
)
def test_any_encoded_word_gives_text_that_every_json_reader_accepts(
    charset: str, encoding: str, words: str
) -> None:
    found = shown_words(f"=?{charset}?{encoding}?{words}?=")
    json.dumps(found, ensure_ascii=False).encode("utf-8")
    assert not any(character < " " or "\x7f" <= character < "\xa0" for character in found)


@pytest.mark.parametrize("codec", sorted(set(text._CODECS.values())))
@pytest.mark.parametrize("octets", [b"\x1b$B", b"~{", b"+", b"\x81", b"\x1b", b"\x0e"])
def test_no_charset_takes_more_than_linear_time(codec: str, octets: bytes) -> None:
    before = time.process_time()
    (octets * (SIZE // len(octets))).decode(codec, "replace")
    assert time.process_time() - before < 1


@pytest.mark.parametrize(
    "piece",
    ["=?", "=?a?q?", "=?a?q?b", "?", "=?a?q?b?= ", "=?a?q?b?= x ", "=?utf-7?b?K0FB?= ", "\x00", "\udcff"],
)
def test_time_grows_no_faster_than_the_text(piece: str) -> None:
    before = time.process_time()
    shown_words(piece * (SIZE // len(piece)))
    assert time.process_time() - before < 1
