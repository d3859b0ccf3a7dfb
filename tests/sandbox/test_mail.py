from __future__ import annotations

import email
import re
import struct
import zlib
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import default

import pytest

from mailsluice_sandbox import mail

KINDS = [mail.note, mail.umlauts, mail.invoice, mail.inline_image, mail.scan]


def small(kind: Callable[[int], bytes], number: int) -> bytes:
    return mail.scan(number, 50_000) if kind is mail.scan else kind(number)


def parsed(octets: bytes) -> EmailMessage:
    message = email.message_from_bytes(octets, _class=EmailMessage, policy=default)
    assert not any(part.defects for part in message.walk())
    return message


def attached(message: EmailMessage, content_type: str) -> bytes:
    (content,) = [part.get_content() for part in message.walk() if part.get_content_type() == content_type]
    assert isinstance(content, bytes)
    return content


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_number_gives_the_same_message_and_another_number_another(
    kind: Callable[[int], bytes],
) -> None:
    assert small(kind, 7) == small(kind, 7) != small(kind, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_every_line_ends_with_crlf(kind: Callable[[int], bytes]) -> None:
    octets = small(kind, 7)
    assert octets.endswith(b"\r\n")
    assert not re.search(rb"[^\r]\n|\r[^\n]", octets)


@pytest.mark.parametrize("kind", KINDS)
def test_every_message_has_the_headers_of_mail(kind: Callable[[int], bytes]) -> None:
    message = parsed(small(kind, 7))
    assert all(message[name] for name in ("From", "To", "Date", "Subject", "Message-ID"))


def test_no_two_kinds_share_a_message_id() -> None:
    assert len({parsed(small(kind, 7))["Message-ID"] for kind in KINDS}) == len(KINDS)


def test_a_subject_beyond_ascii_is_encoded_on_the_wire() -> None:
    octets = mail.umlauts(7)
    assert octets.isascii()
    assert parsed(octets)["Subject"] == "Grüße aus Köln, Nr. 7"
    assert "Schöne Grüße" in parsed(octets).get_content()


def test_an_invoice_is_a_pdf_whose_offsets_are_right() -> None:
    pdf = attached(parsed(mail.invoice(7)), "application/pdf")
    start = int(pdf.rpartition(b"startxref\n")[2].split()[0])
    assert pdf[start:].startswith(b"xref\n0 7\n")
    offsets = re.findall(rb"(\d{10}) 00000 n", pdf[start:])
    for number, offset in enumerate(offsets, 1):
        assert pdf[int(offset) :].startswith(b"%d 0 obj\n" % number)


def test_an_inline_image_is_a_png_that_the_html_refers_to() -> None:
    message = parsed(mail.inline_image(7))
    assert message.get_content_type() == "multipart/related"
    png = attached(message, "image/png")
    (length,) = struct.unpack(">I", png[33:37])
    assert len(zlib.decompress(png[41 : 41 + length])) == 4
    (html,) = [part.get_content() for part in message.walk() if part.get_content_type() == "text/html"]
    (image,) = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert image["Content-ID"].strip("<>") in html


@pytest.mark.parametrize("size", [50_000, 1_000_000])
def test_a_scan_has_about_the_size_asked_for(size: int) -> None:
    assert abs(len(mail.scan(7, size)) - size) < 100


def test_a_scan_has_lines_that_begin_with_dots() -> None:
    octets = mail.scan(7, 50_000)
    assert b"\r\n. line" in octets
    assert b"\r\n.. line" in octets
    assert len(attached(parsed(octets), "image/tiff")) > 20_000


def test_samples_come_in_turn() -> None:
    assert len({parsed(mail.sample(number)).get_content_type() for number in range(4)}) == 3
    assert mail.sample(2) == mail.sample(2)
