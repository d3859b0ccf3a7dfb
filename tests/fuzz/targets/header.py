"""A message's header: whatever a stranger wrote, a description that every JSON reader takes."""

from __future__ import annotations

import json
import re
from email.utils import getaddresses

from fuzz.feed import is_measured, swollen, within_seconds
from mailsluice.message.addresses import parse
from mailsluice.message.description import Description
from mailsluice.message.description import describe as description_of
from mailsluice.message.header import Header
from mailsluice.message.identity import identity as identity_of
from mailsluice.message.text import shown

SEEDS = (
    (
        b"Message-ID: <a@b.example>\r\nSubject: =?utf-8?B?w6TDtg==?=\r\n =?utf-8?q?=C3=BC_?=\r\nFrom: A <a@b.example>\r\n"
        b"To: c@d.example\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\nbody"
    ),
    b"Subject: =?iso-2022-jp?B?GyRCJDMbKEI=?= =?hz-gb-2312?q?~{VPND~}?=\n\tx\n",
    b"From: =?gb18030*de?Q?=81=30?= =?shift_jis?b?gqA?=\r\n",
    b"Subject: \x1b]0;title\x07 \xe2\x80\xae\xff\r\n",
    b"To: \xc2\x9b31m =?utf-8?q?=C2=9B31m?=\r\n",
    b'From: "A, B" <a@b.example>, C (d) <c@d>\nCc: Team: e@f;, <@x:"g h"@i>, j@[192.0.2.1], k l <m@n\n',
    b"From: =?utf-8?q?a=40b=2C_=3Cc=40d=3E?= <e@f>, =?utf-7?q?+AEA-?=, \xe9 <g@h>\nContent-Type: text/plain; charset=big5\n",
    b">From x\nTo: a@b\n \t\nno field\nFrom: c@d\n",
)
WORDS = (
    b"=?utf-8?B?", b"=?utf-8?Q?", b"=?iso-2022-kr?b?", b"=?hz-gb-2312?q?", b"=?big5-hkscs?q?", b"=?euc-jp?q?", b"=?utf-16?b?", b"=?unicode-escape?q?", b"?=",
    b"=?iso-2022-jp-3?b?", b"=?macintosh?q?", b"Subject:", b"From:", b"\r\n ", b"\r\n\r\n", b"\x1b$B", b"=1B",
    b"Cc:", b"<a@b>", b"c@d", b"=40", b"=2C", b"=22", b"=?utf-7?q?+2AA-", b"Content-Type: x; charset=", b"undisclosed:;", b"@[",
)  # fmt: skip
_TEXTS = {"message_id", "subject", "from", "to", "cc", "date"}
_LISTS = ("from", "to", "cc")
_SIZE = 64 * 1024
"""Octets of a header whose reading is measured: enough for what is not linear to take minutes."""
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def describe(head: bytes) -> Description:
    return description_of(Header(head))


def identity(head: bytes) -> bytes | None:
    return identity_of(Header(head))


def check(data: bytes) -> None:
    said = describe(data)
    _check_safe(said)
    for name in _LISTS:
        if name in said:
            _check_read_back(str(said[name]), said[f"{name}_addresses"])
    assert identity(data) is None or identity(data)
    _check_only_the_header_counts(data.replace(b"\r", b"") + b"\n\n")
    if is_measured(data):
        _check_safe(within_seconds(2, lambda: describe(swollen(data, _SIZE))))
        within_seconds(2, lambda: identity(swollen(data, _SIZE)))


def _check_safe(said: Description) -> None:
    assert said.keys() <= _TEXTS | {f"{name}_addresses" for name in _LISTS}
    assert json.loads(json.dumps(said, ensure_ascii=False).encode()) == said
    assert not _HARMFUL.search("".join(each for value in said.values() for each in _strings(value)))


def _strings(value: object) -> list[str]:
    return value if isinstance(value, list) else [str(value)]


def _check_read_back(text: str, addresses: object) -> None:
    """A list is read back with the same addresses, and written again as it is."""
    assert [address for _, address in getaddresses([text]) if address] == addresses
    assert ", ".join(map(str, parse(text, shown))) == text


def _check_only_the_header_counts(whole: bytes) -> None:
    """What cannot matter does not: the form of line ends, the body, and fields of other names."""
    said = describe(whole)
    assert describe(whole + b"Subject: of the body\n") == said
    assert describe(whole.replace(b"\n", b"\r\n")) == said
    known = identity(whole)
    assert identity(whole + b"Date: of the body\n") == identity(whole.replace(b"\n", b"\r\n")) == known
    if not whole.startswith((b" ", b"\t", b"\n", b"From ", b">From ")):
        assert describe(b"X-Other: here\n" + whole) == said
