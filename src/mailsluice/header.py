"""What a message says of itself in its header.

Owns the reading of the few fields people look for (RFC 5322 §2.2, RFC 2047). Pure and total: every byte
is a stranger's, so any input gives an answer, in linear time, of text that every JSON reader accepts.
Must never decide what is fetched or deleted: anybody can write any header.
"""

from __future__ import annotations

import binascii
import quopri
import re

LIMIT = 64 * 1024
"""Octets of a message in which the header is looked for; a field that is not whole within is left out."""

_FIELDS = {
    name: re.compile(rb"\n%s[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)" % name.replace("_", "-").encode())
    for name in ("message_id", "subject", "from", "to", "date")
}
"""Each field in a header in lower case: its value, with the lines it is folded into. By what we call it."""
_LINE_END = re.compile(rb"\r?\n")
_END = re.compile(rb"\n(?:\r?\n|\Z)")
"""The empty line, with the LF before it; or the end, where that is a line's."""
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]{0,1000})\?=")
"""RFC 2047 §2 allows 75 characters; senders write longer ones, and spaces. The bound keeps it linear."""
_CHARSETS = frozenset(
    f"""
    us-ascii ascii utf-8 utf8 latin1 macintosh tis-620 koi8-r koi8-u
    {" ".join(f"iso-8859-{part} iso8859-{part}" for part in range(1, 17) if part != 12)}
    {" ".join(f"windows-{page} cp{page}" for page in range(1250, 1259))}
    gb2312 gbk gb18030 hz-gb-2312 big5 big5-hkscs
    euc-jp shift-jis sjis cp932 iso-2022-jp iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3
    euc-kr cp949 ks-c-5601-1987 iso-2022-kr
    """.split()
)
"""The character sets of mail, `_` written as `-`; all else is taken for UTF-8.

Not whatever Python knows: it remembers every name it was ever asked for, and some of its codecs take
quadratic time.
"""
_NOT_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Header:
    """What a message says of itself. `head` is its first octets, or what TOP gives (RFC 1939 §7).

    Never raises. A field that may be cut off is left out; of a field that is there twice, the first counts.
    """

    def __init__(self, head: bytes) -> None:
        self._cut = len(head) >= LIMIT
        self._octets = b"\n" + head[:LIMIT]
        if end := _END.search(self._octets):
            self._octets, self._cut = self._octets[: end.start()].removesuffix(b"\r"), False
        self._lower = self._octets.lower()
        self._values: dict[str, bytes | None] = {}

    def describe(self) -> dict[str, str]:
        """The fields `message_id, subject, from, to, date`, as far as they are there.

        Values are unfolded and decoded; what cannot be decoded is shown as it stands or as U+FFFD.
        """
        values = ((name, self._value(name)) for name in _FIELDS)
        return {name: _text(value) for name, value in values if value is not None}

    @property
    def truncated(self) -> bool:
        """Whether the header goes on behind what was looked at."""
        return self._cut

    def values(self, name: str) -> tuple[bytes, ...]:
        """The unfolded values of every field of this name (`message-id`), in their order."""
        field = re.compile(rb"\n%s[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)" % re.escape(name.lower().encode()))
        found = field.finditer(self._lower)
        return tuple(self._unfolded(each.start(1), each.end(1)) for each in found)

    def _value(self, name: str) -> bytes | None:
        """The unfolded value of the first field of this name."""
        if name not in self._values:
            self._values[name] = self._found(name)
        return self._values[name]

    def _found(self, name: str) -> bytes | None:
        field = _FIELDS[name].search(self._lower)
        if field is None or (self._cut and field.end() == len(self._octets)):
            return None
        return self._unfolded(field.start(1), field.end(1))

    def _unfolded(self, start: int, end: int) -> bytes:
        value = self._octets[start:end].removesuffix(b"\r")
        return _LINE_END.sub(b"", value) if b"\n" in value else value


def _text(value: bytes) -> str:
    """A field's value for people: octets are UTF-8 (RFC 6532), encoded words are decoded."""
    text = _decoded_words(value.decode("utf-8", "replace"))
    if not text.isprintable():
        text = _NOT_TEXT.sub("\ufffd", text.replace("\t", " "))
    return text.strip()


def _decoded_words(text: str) -> str:
    """`text` with its encoded words decoded.

    Neighbours in one character set are joined as octets first, since senders cut characters in two;
    white space between encoded words is not text (RFC 2047 §6.2).
    """
    if "=?" not in text:
        return text
    out: list[str] = []
    octets, charset, end = b"", "", 0
    for word in _ENCODED_WORD.finditer(text):
        between = text[end : word.start()]
        word_charset = word[1].partition("*")[0].lower()  # RFC 2231 §5: charset*language
        if octets and (between.strip() or word_charset != charset):
            out.append(_decoded(octets, charset))
            octets = b""
        if between.strip() or not end:
            out.append(between)
        octets += _octets(word[2], word[3])
        charset, end = word_charset, word.end()
    if octets:
        out.append(_decoded(octets, charset))
    return "".join(out) + text[end:]


def _octets(encoding: str, encoded: str) -> bytes:
    raw = encoded.encode("utf-8", "replace")
    if encoding in "qQ":
        return quopri.decodestring(raw, header=True)
    try:
        return binascii.a2b_base64(raw + b"==")
    except binascii.Error:
        return raw


def _decoded(octets: bytes, charset: str) -> str:
    name = charset.replace("_", "-")
    return octets.decode(name if name in _CHARSETS else "utf-8", "replace")
