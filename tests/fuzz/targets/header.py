"""A message's header: whatever a stranger wrote, a description that every JSON reader takes."""

from __future__ import annotations

import json
import re

from fuzz.feed import is_measured, swollen, within_seconds
from mailsluice.header import LIMIT, Header
from mailsluice.identity import identity as identity_of

SEEDS = (
    (
        b"Message-ID: <a@b.example>\r\nSubject: =?utf-8?B?w6TDtg==?=\r\n =?utf-8?q?=C3=BC_?=\r\nFrom: A <a@b.example>\r\n"
        b"To: c@d.example\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\nbody"
    ),
    b"Subject: =?iso-2022-jp?B?GyRCJDMbKEI=?= =?hz-gb-2312?q?~{VPND~}?=\n\tx\n",
    b"From: =?gb18030*de?Q?=81=30?= =?shift_jis?b?gqA?=\r\n",
    b"Subject: \x1b]0;title\x07 \xe2\x80\xae\xff\r\n",
    b"To: \xc2\x9b31m =?utf-8?q?=C2=9B31m?=\r\n",
)
WORDS = (
    b"=?utf-8?B?", b"=?utf-8?Q?", b"=?iso-2022-kr?b?", b"=?hz-gb-2312?q?", b"=?big5-hkscs?q?", b"=?euc-jp?q?", b"=?utf-16?b?", b"=?unicode-escape?q?", b"?=",
    b"=?iso-2022-jp-3?b?", b"=?macintosh?q?", b"Subject:", b"From:", b"\r\n ", b"\r\n\r\n", b"\x1b$B", b"=1B",
)  # fmt: skip
_KEYS = {"message_id", "subject", "from", "to", "date"}
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def describe(head: bytes) -> dict[str, str]:
    return Header(head).describe()


def identity(head: bytes) -> bytes | None:
    return identity_of(Header(head))


def check(data: bytes) -> None:
    _check_safe(describe(data))
    assert identity(data) is None or identity(data)
    _check_only_the_header_counts(data.replace(b"\r", b"") + b"\n\n")
    if is_measured(data):
        _check_safe(within_seconds(2, lambda: describe(swollen(data, LIMIT + 1))))
        within_seconds(2, lambda: identity(swollen(data, LIMIT + 1)))


def _check_safe(said: dict[str, str]) -> None:
    assert said.keys() <= _KEYS
    assert json.loads(json.dumps(said, ensure_ascii=False).encode()) == said
    assert not any(_HARMFUL.search(value) for value in said.values())


def _check_only_the_header_counts(whole: bytes) -> None:
    """What cannot matter does not: the form of line ends, the body, and fields of other names."""
    said = describe(whole)
    assert describe(whole + b"Subject: of the body\n") == said
    assert describe(whole.replace(b"\n", b"\r\n")) == said
    known = identity(whole)
    assert identity(whole + b"Date: of the body\n") == identity(whole.replace(b"\n", b"\r\n")) == known
    if whole[:1] not in {b" ", b"\t", b"\n"}:
        assert describe(b"Received: here\n" + whole) == said
