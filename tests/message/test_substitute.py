"""What Exchange hands out in the place of a message that it cannot render, and what only looks like it."""

from __future__ import annotations

import base64

import pytest

from mailsluice.message.header import Header
from mailsluice.message.substitute import is_one, may_be
from mailsluice_sandbox import mail

NOTICE = mail.substitute(752)
EXCHANGE = (
    b"Received: from DB9P123MB0000.gbrp123.prod.outlook.com (2603::1) by\r\n"
    b" LO2P123MB0001.GBRP123.PROD.OUTLOOK.COM with HTTPS; Mon, 1 Jun 2026 08:00:01 +0000\r\n"
)


def verdict(message: bytes) -> bool:
    return is_one(Header(message), message)


def encoded(encoding: bytes, body: bytes) -> bytes:
    head, _, _ = NOTICE.partition(b"\r\n\r\n")
    return head + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body


BODY = NOTICE.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    "message",
    [
        NOTICE,
        NOTICE.replace(b"POP3", b"IMAP4"),
        NOTICE.replace(b"Microsoft Exchange Server", b"Microsoft Exchange Server 2010"),
        NOTICE.replace(b"Microsoft Exchange Server", b'"Microsoft Exchange Server"'),
        NOTICE.replace(b"n't", b"n\xe2\x80\x99t"),
        NOTICE.replace(b"\r\n", b"\n"),
        EXCHANGE + NOTICE,
        NOTICE.replace(b"Content-Type: text/plain; charset=utf-8\r\n", b""),
        encoded(b"base64", base64.encodebytes(BODY)),
        encoded(b"quoted-printable", BODY.replace(b"'", b"=E2=80=99")),
    ],
    ids=[
        "POP3", "IMAP4", "a version", "quoted", "an apostrophe", "LF", "from Exchange", "no type", "base64", "QP",
    ],
)  # fmt: skip
def test_a_notice_is_known_by_its_whole_form(message: bytes) -> None:
    assert verdict(message)
    assert may_be(Header(message))


@pytest.mark.parametrize(
    "message",
    [
        b"Received: from mx.evil.example by DB9.prod.outlook.com; Mon, 1 Jun 2026 08:00:01 +0000\r\n"
        + NOTICE,
        EXCHANGE + b"Received: from x by y; Mon, 1 Jun 2026 08:00:00 +0000\r\n" + NOTICE,
        NOTICE.replace(b"text/plain", b"text/html"),
        NOTICE.replace(b"text/plain", b"multipart/mixed"),
        NOTICE.replace(b"Microsoft Exchange Server", b"Ann"),
        NOTICE.replace(b"Retrieval using", b"Fwd: Retrieval using"),
        b"Subject: Minutes\r\n" + NOTICE,
        mail.note(1),
        b"",
    ],
)
def test_what_a_person_or_another_system_sent_is_none(message: bytes) -> None:
    assert not verdict(message)
    assert not may_be(Header(message))


@pytest.mark.parametrize("sentence", [b"hasn't been deleted", b"couldn't retrieve"])
def test_without_its_text_it_is_none(sentence: bytes) -> None:
    assert not verdict(NOTICE.replace(sentence, b"is lost"))


def test_a_text_that_is_no_base64_is_none() -> None:
    assert not verdict(encoded(b"base64", b"!!!"))
