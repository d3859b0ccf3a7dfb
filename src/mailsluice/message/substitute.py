"""The substitute: a notice that Exchange hands out in place of a message that it cannot render.

Owns its form: a short text from "Microsoft Exchange Server" that names the protocol, and says that the
message has not been deleted. It was seen over IMAP; over POP3 we expect the same. Pure. Must never take a
person's message for one. So the whole form has to match: a message that only quotes the notice came through
other systems, or is more than plain text.
"""

from __future__ import annotations

import binascii
import quopri
import re

from mailsluice.message.header import Header

_SUBJECT = re.compile(rb"\s*Retrieval using the \S+ protocol failed for the following message", re.IGNORECASE)
_SENDER = re.compile(rb'\s*"?Microsoft Exchange Server\b', re.IGNORECASE)
_OURS = rb"[\w.-]+\.(?:outlook\.com|outlook\.cn|office365\.com|office365\.us|exchangelabs\.com)"
_EXCHANGE_ALONE = re.compile(rb"\s*from\s+%b\b.*?\bby\s+%b\b" % (_OURS, _OURS), re.IGNORECASE | re.DOTALL)
"""A Received line that one server of Exchange Online wrote for a message from another one."""
_TEXT = re.compile(rb"\s*text/plain\s*(?:;|\Z)", re.IGNORECASE)
_SENTENCES = (b"the message hasn't been deleted", b"the server couldn't retrieve the following message")
_APOSTROPHES = (b"\xe2\x80\x99", b"\x92", b"=E2=80=99")
_LOOKED_AT = 8 * 1024
"""Octets of the body that are read: a substitute has only a few lines."""


def may_be(header: Header) -> bool:
    """Whether this may be the header of a substitute. With TOP alone, nothing more can be known."""
    kinds = header.values("content-type")
    return (
        _first(header, "subject", _SUBJECT)
        and _first(header, "from", _SENDER)
        and all(_EXCHANGE_ALONE.match(line) for line in header.values("received"))
        and all(_TEXT.match(kind) for kind in kinds)
    )


def is_one(header: Header, head: bytes) -> bool:
    """Whether the message is a substitute. `head` is its first octets, with the header."""
    if not may_be(header):
        return False
    _, _, body = head.replace(b"\r\n", b"\n").partition(b"\n\n")
    text = b" ".join(_decoded(header, body[:_LOOKED_AT]).lower().split())
    return all(sentence in text for sentence in _SENTENCES)


def _first(header: Header, name: str, form: re.Pattern[bytes]) -> bool:
    values = header.values(name)
    return len(values) == 1 and form.match(values[0]) is not None


def _decoded(header: Header, body: bytes) -> bytes:
    """The text without its transfer encoding, and with one kind of apostrophe."""
    encoding = b"".join(header.values("content-transfer-encoding")).strip().lower()
    if encoding == b"quoted-printable":
        body = quopri.decodestring(body)
    elif encoding == b"base64":
        packed = b"".join(body.split())  # only whole groups of four: the body was cut at some octet
        try:
            body = binascii.a2b_base64(packed[: len(packed) // 4 * 4])
        except binascii.Error:
            return b""
    for apostrophe in _APOSTROPHES:
        body = body.replace(apostrophe, b"'")
    return body
