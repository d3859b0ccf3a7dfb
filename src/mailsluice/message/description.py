"""The description: what a message's header says, as text for people and as lists for programs.

Owns which fields are described, and in which form (contract: the spool directory). Pure and total: any header
has a description, in linear time, and every JSON reader accepts it. Must never decide what is fetched or
deleted: anybody can write any header.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import islice

from mailsluice.message.addresses import parse
from mailsluice.message.header import Header
from mailsluice.message.text import codec_for, shown, shown_words

TEXTS = ("message_id", "subject", "from", "to", "cc", "date")
"""The fields that are described as text, if the header has them."""

_LISTS = ("from", "to", "cc")
"""Those of them that are address lists. Their addresses stand under `from_addresses` and so on, too."""

_CHARSET = re.compile(r"charset\s*=[\s\"']*([^\s\"';]+)", re.IGNORECASE)

_MOST = 100_000
"""The most entries of a list. A header only has more if somebody wants to use up our memory."""
_CHUNK = 1000
"""Entries that become text at once: one string for every entry of the list would take too much memory."""

Description = dict[str, str | list[str] | bool]


def describe(header: Header) -> Description:
    """What the header says. If a field is there twice, the first one counts.

    Text that cannot be decoded is shown as it stands, or as U+FFFD. `header_truncated` is only there if the
    header says more than its description.
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
    """The list as text, its addresses alone, and whether that is the whole list.

    Octets that are not UTF-8 are no part of an address (RFC 6532). So they are decoded only after the
    structure was read, each name alone.
    """
    codec = _codec(value, header)
    if codec == "utf_8":
        mailboxes = parse(value.decode(), shown_words)
    else:
        mailboxes = parse(value.decode("ascii", "surrogateescape"), partial(_escaped_words, codec=codec))
    texts: list[str] = []
    addresses: list[str] = []
    described = islice(mailboxes, _MOST)
    while chunk := list(islice(described, _CHUNK)):
        texts.append(", ".join(map(str, chunk)))
        addresses.extend(mailbox.address for mailbox in chunk if mailbox.address)
    return ", ".join(texts), addresses, next(mailboxes, None) is None


def _escaped_words(text: str, codec: str) -> str:
    return shown_words(text.encode("ascii", "surrogateescape").decode(codec, "replace"))


def _codec(value: bytes, header: Header) -> str:
    """The codec for raw octets: UTF-8, or else the message's own character set if it can decode them."""
    if value.isascii():
        return "utf_8"
    content_type = (header.first("content-type") or b"").decode("ascii", "replace")
    declared = _CHARSET.search(content_type)
    return codec_for(value, declared[1] if declared else "")
