"""Text from the octets of a header, as real mail has them: character sets and encoded words (RFC 2047).

Owns which character set a label means, and which characters may be shown. Pure and total: any octets give
text, in linear time, and every JSON reader accepts it. Must never know about fields or addresses.
"""

from __future__ import annotations

import binascii
import quopri
import re

_ENCODED_WORD = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?]*)\?=")
"""RFC 2047 §2 allows 75 characters and no space. Some senders write longer words, and spaces."""

_WINDOWS = "cp1252"
_LABELS = {
    "utf_8": "utf-8 utf8 unicode-1-1-utf-8",
    "utf_7": "utf-7 utf7 unicode-1-1-utf-7",
    _WINDOWS: "iso-8859-1 iso8859-1 latin1 us-ascii ascii windows-1252 cp1252 x-cp1252",
    "cp1254": "iso-8859-9 iso8859-9 latin5 windows-1254 cp1254",
    "cp874": "iso-8859-11 iso8859-11 tis-620 windows-874 cp874",
    "iso8859_8": "iso-8859-8 iso8859-8 iso-8859-8-i iso-8859-8-e",
    **{
        f"iso8859_{part}": f"iso-8859-{part} iso8859-{part}"
        for part in (2, 3, 4, 5, 6, 7, 10, 13, 14, 15, 16)
    },
    **{f"cp{page}": f"windows-{page} cp{page}" for page in (1250, 1251, 1253, 1255, 1256, 1257, 1258)},
    **{f"cp{page}": f"ibm{page} cp{page}" for page in (437, 850, 852, 855, 857, 858, 862, 866)},
    "mac_roman": "macintosh x-mac-roman",
    "koi8_r": "koi8-r",
    "koi8_u": "koi8-u",
    "gb18030": "gb2312 gb-2312-80 gbk x-gbk cp936 euc-cn gb18030",
    "hz": "hz-gb-2312",
    "cp950": "big5 cn-big5 cp950",
    "big5hkscs": "big5-hkscs",
    "cp932": "shift-jis sjis x-sjis ms-kanji windows-31j cp932",
    "euc_jp": "euc-jp x-euc-jp",
    "iso2022_jp": "iso-2022-jp",
    "iso2022_jp_1": "iso-2022-jp-1",
    "iso2022_jp_2": "iso-2022-jp-2",
    "iso2022_jp_3": "iso-2022-jp-3",
    "cp949": "euc-kr ks-c-5601 ks-c-5601-1987 ks-c-5601-1989 ksc5601 ksc-5601 korean windows-949 cp949",
    "iso2022_kr": "iso-2022-kr",
}
_CODECS = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}
"""Python's codec for each label in mail, with `-` for `_`.

A sender's text is often in a larger character set than its label says: windows-1252 labelled as ISO 8859-1.
The larger set contains the smaller one, so it is used (WHATWG Encoding §4.2 does the same for most). No other
codec is looked up: Python keeps every name that was ever looked up, and some codecs take quadratic time.
"""

_NOT_TEXT = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000)), "\ufffd") | {9: " "}
"""What is shown instead of control characters and surrogates. The decoder of UTF-7 can produce surrogates."""


def codec_for(octets: bytes, declared: str = "") -> str:
    """The codec for octets without a label: UTF-8 (RFC 6532), or else the message's `declared` one.

    If neither can decode them, it is the most common one, windows-1252.
    """
    for codec in ("utf_8", _CODECS.get(_label(declared), _WINDOWS)):
        try:
            octets.decode(codec)
        except UnicodeDecodeError:
            continue
        return codec
    return _WINDOWS


def shown(text: str) -> str:
    """`text` as one line, without control characters. Encoded words are not decoded."""
    return (text if text.isprintable() else text.translate(_NOT_TEXT)).strip()


def shown_words(text: str) -> str:
    """As `shown`, with encoded words decoded."""
    return shown(_decoded_words(text) if "=?" in text else text)


def _decoded_words(text: str) -> str:
    """`text` with its encoded words decoded.

    Neighbours in one character set are joined as octets first, because some senders cut a character in two.
    White space between encoded words is no text (RFC 2047 §6.2).
    """
    out: list[str] = []
    octets: list[bytes] = []
    label, end = "", 0
    for word in _ENCODED_WORD.finditer(text):
        between = text[end : word.start()]
        word_label = _label(word[1].partition("*")[0])  # RFC 2231 §5: charset*language
        if octets and (between.strip() or word_label != label):
            out.append(_decoded(b"".join(octets), label))
            octets.clear()
        if between.strip() or not end:
            out.append(between)
        octets.append(_octets(word[2], word[3]))
        label, end = word_label, word.end()
    out.append(_decoded(b"".join(octets), label))
    return "".join(out) + text[end:]


def _octets(encoding: str, encoded: str) -> bytes:
    raw = encoded.encode("utf-8", "replace")
    if encoding in "qQ":
        return quopri.decodestring(raw, header=True)
    try:
        return binascii.a2b_base64(raw + b"==")  # some senders leave the padding out; too much does no harm
    except binascii.Error:
        return raw


def _decoded(octets: bytes, label: str) -> str:
    return octets.decode(_CODECS.get(label) or codec_for(octets), "replace")


def _label(charset: str) -> str:
    return charset.lower().replace("_", "-")
