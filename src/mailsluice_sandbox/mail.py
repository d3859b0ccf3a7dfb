"""Sample mail, as bytes with CRLF line ends. The same number always gives the same message.

Owns what the samples look like. Must never read the clock or use random numbers without a seed.
"""

from __future__ import annotations

import base64
import random
import struct
import zlib
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

_EPOCH = datetime(2026, 1, 5, 7, 30, tzinfo=UTC)
_PLACEHOLDER = b"c2Nhbg=="  # base64 of "scan"
_MEBIBYTE = 1_048_576


def note(number: int) -> bytes:
    """A short plain text, with a line that begins with a dot."""
    message = _envelope("note", number, f"Note {number}")
    message.set_content(f"Hello,\n\nnumber {number} has arrived.\n.\n..and this line begins with two dots.\n")
    return _bytes("note", number, message)


def substitute(number: int) -> bytes:
    """The notice that Exchange hands out for a message that it cannot render (`message.substitute`)."""
    return (
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "From: Microsoft Exchange Server\r\n"
        "To: <invoices@acme.example>\r\n"
        f"Subject: Retrieval using the POP3 protocol failed for the following message: {number}\r\n"
        "\r\n"
        "The server couldn't retrieve the following message:\r\n"
        "\r\n"
        f'Subject: "Invoice {number:05d}"\r\n'
        'From: "Ann" ("ann@contoso.example")\r\n'
        "\r\n"
        "The message hasn't been deleted. You might be able to view it using either Outlook or Outlook Web "
        "App. You can also contact the sender to find out what the message says.\r\n"
    ).encode()


def umlauts(number: int) -> bytes:
    """Letters beyond ASCII, in the subject (RFC 2047), a name and the body."""
    message = _envelope("umlauts", number, f"Grüße aus Köln, Nr. {number}", sender="Jürgen Müßig")
    message.set_content(
        f"Schöne Grüße! Die Rechnung {number} über 12,50 € liegt bei.\n", cte="quoted-printable"
    )
    return _bytes("umlauts", number, message)


def invoice(number: int) -> bytes:
    """An invoice as a PDF attachment."""
    message = _envelope("invoice", number, f"Invoice {number:05d}")
    message.set_content(f"Please find invoice {number:05d} attached.\n")
    message.add_attachment(
        _pdf(f"Invoice {number:05d}"),
        maintype="application",
        subtype="pdf",
        filename=f"invoice-{number:05d}.pdf",
    )
    return _bytes("invoice", number, message)


def inline_image(number: int) -> bytes:
    """HTML that shows an image from the same message (RFC 2387)."""
    message = _envelope("image", number, f"Picture {number}")
    html = f'<p>Picture {number}: <img src="cid:{number}@sandbox.example"></p>\n'
    message.set_content(html, subtype="html")
    message.add_related(_png(number), maintype="image", subtype="png", cid=f"<{number}@sandbox.example>")
    return _bytes("image", number, message)


def scan(number: int, size: int = 25 * _MEBIBYTE) -> bytes:
    """A scanned document of about `size` octets: a text with lines that begin with dots, and an image."""
    message = _envelope("scan", number, f"Scan {number}")
    message.set_content("".join(f"{'.' * (line % 4)} line {line} of scan {number}\n" for line in range(200)))
    message.add_attachment(
        base64.b64decode(_PLACEHOLDER), maintype="image", subtype="tiff", filename=f"scan-{number}.tif"
    )
    # The image is put in afterwards: the library would take a second to encode it.
    frame = _bytes("scan", number, message)
    # 57 octets become 76 characters of base64 and a CRLF.
    pixels = random.Random(number).randbytes(max(0, size - len(frame)) * 57 // 78)  # noqa: S311  has to repeat
    encoded = base64.b64encode(pixels)
    lines = b"\r\n".join(encoded[start : start + 76] for start in range(0, len(encoded), 76))
    return frame.replace(_PLACEHOLDER, lines, 1)


def sample(number: int) -> bytes:
    """One of the small kinds, in turn."""
    kinds = (invoice, note, umlauts, inline_image)
    return kinds[number % len(kinds)](number)


def _envelope(kind: str, number: int, subject: str, sender: str = "Sandbox Sender") -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Date"] = format_datetime(_EPOCH + timedelta(minutes=number))
    message["From"] = f"{sender} <sender@sandbox.example>"
    message["To"] = "mailbox@sandbox.example"
    message["Subject"] = subject
    message["Message-ID"] = f"<{kind}.{number}@sandbox.example>"
    return message


def _bytes(kind: str, number: int, message: EmailMessage) -> bytes:
    """The message, with boundaries of our own, because the library's are random."""
    for depth, part in enumerate(part for part in message.walk() if part.is_multipart()):
        part.set_boundary(f"=_{kind}_{number}_{depth}")
    return message.as_bytes()


def _pdf(text: str) -> bytes:
    """One page with a line of text (ISO 32000-1 §7.5): objects, the table of their offsets, and a trailer."""
    stream = f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET".encode("ascii")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Font << /F1 5 0 R >> >>",
    )
    document = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(document))
        document += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start, count = len(document), len(objects) + 1
    document += b"xref\n0 %d\n0000000000 65535 f \n%b" % (count, table)
    document += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, start)
    return bytes(document)


def _png(number: int) -> bytes:
    """One pixel, of a colour that depends on the number."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixel = b"\0" + struct.pack(">I", number * 2_654_435_761 % 2**32)[:3]
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(pixel))
        + chunk(b"IEND", b"")
    )
