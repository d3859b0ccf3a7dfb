"""The description: what a message says of itself in its header, as text for people and lists for programs.

Owns which fields are told and in which form (contract: the spool directory). Pure and total: any header has a
description, in linear time, that every JSON reader accepts. Must never decide what is fetched or deleted:
anybody can write any header.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import islice

from mailsluice.message.addresses import parse
from mailsluice.message.header import Header
from mailsluice.message.text import codec_for, shown, shown_words

TEXTS = ("message_id", "subject", "from", "to", "cc", "date")
"""What is told as text, as far as the header has it."""

_LISTS = ("from", "to", "cc")
"""Of these, the address lists. The addresses alone are told as well, under `from_addresses` and so on."""

_CHARSET = re.compile(r"charset\s*=[\s\"']*([^\s\"';]+)", re.IGNORECASE)

_MOST = 100_000
"""Entries of a list that are told. A header has room for more only if it is made to take memory."""
_TOGETHER = 1000
"""Entries of which text is made at once: all of them as strings of their own would take too much memory."""

Description = dict[str, str | list[str] | bool]


def describe(header: Header) -> Description:
    """What the header says. Of a field that is there twice, the first counts.

    What cannot be decoded is shown as it stands or as U+FFFD. `header_truncated` is told only of a header
    that says more than is told here.
    """
    texts: Description = {}
    lists: Description = {}
    truncated = header.truncated
    for name in TEXTS:
        value = header.first(name.replace("_", "-"))
        if value is None:
            continue
        if name in _LISTS:
            texts[name], lists[f"{name}_addresses"], is_whole = _address_list(value, header)
            truncated = truncated or not is_whole
        elif name == "subject":
            texts[name] = shown_words(value.decode(_codec(value, header), "replace"))
        else:
            texts[name] = shown(value.decode(_codec(value, header), "replace"))
    return texts | lists | ({"header_truncated": True} if truncated else {})


def _address_list(value: bytes, header: Header) -> tuple[str, list[str], bool]:
    """The list as text, its addresses alone, and whether that is all of it.

    Octets that are not UTF-8 take no part in the structure: an address with one of them is none (RFC 6532).
    """
    codec = _codec(value, header)
    if codec == "utf_8":
        mailboxes = parse(value.decode(), shown_words)
    else:
        mailboxes = parse(value.decode("ascii", "surrogateescape"), partial(_escaped_words, codec=codec))
    texts: list[str] = []
    addresses: list[str] = []
    told = islice(mailboxes, _MOST)
    while together := list(islice(told, _TOGETHER)):
        texts.append(", ".join(map(str, together)))
        addresses.extend(mailbox.address for mailbox in together if mailbox.address)
    return ", ".join(texts), addresses, next(mailboxes, None) is None


def _escaped_words(text: str, codec: str) -> str:
    return shown_words(text.encode("ascii", "surrogateescape").decode(codec, "replace"))


def _codec(value: bytes, header: Header) -> str:
    """The codec for raw octets: for others than UTF-8 the message's own character set, if it reads them."""
    if value.isascii():
        return "utf_8"
    content_type = (header.first("content-type") or b"").decode("ascii", "replace")
    declared = _CHARSET.search(content_type)
    return codec_for(value, declared[1] if declared else "")
