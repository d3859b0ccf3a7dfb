"""The mail that is fetched. It is made once, is the same each time, and is recognised where it arrives.

Owns what a message of the benchmark looks like, and how it is recognised. Must never know which tool fetches
it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MARK = b"X-Benchmark: "
"""How a message's second field begins. Fetchers put their own (Received, Delivered-To) before it: before its
first, a Received, or after that."""

_WORDS = ["the", "order", "invoice", "delivery", "of", "please", "attached", "Straße", "März", "für", "total"]

Digest = bytes


@dataclass(frozen=True)
class Load:
    """So many messages of a kind: texts of 3 to 8 KB.

    One in `pdf_every` has a PDF of 150 to 400 KB attached; `octets`, where it is not 0, is the size of each.
    """

    name: str
    count: int
    pdf_every: int = 0
    octets: int = 0

    def messages(self) -> Iterator[bytes]:
        """Each with CRLF, as it is sent."""
        chance = random.Random(self.name)
        for number in range(self.count):
            attached = 0
            if self.octets:
                attached = self.octets * 57 // 78  # base64 makes lines of 78 octets out of 57
            elif self.pdf_every and number % self.pdf_every == 0:
                attached = chance.randrange(150_000, 400_000)
            yield _message(f"{self.name}-{number:06d}", chance, attached)


def _message(name: str, chance: random.Random, attached: int) -> bytes:
    head = [
        f"Received: from mx{chance.randrange(9)}.fabrikam.test by mail.contoso.test; 3 Mar 2025 09:00:00 +0100",
        f"{_MARK.decode()}{name}",
        f"Message-ID: <{name}@fabrikam.test>",
        "Date: Mon, 03 Mar 2025 09:00:00 +0100",
        "From: Fabrikam <billing@fabrikam.test>",
        "To: Invoices <invoices@contoso.test>",
        f"Subject: Invoice {name}",
        "MIME-Version: 1.0",
    ]
    text = ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", "", *_text(chance)]
    if not attached:
        return "\r\n".join([*head, *text, ""]).encode()
    parts = [
        *head,
        'Content-Type: multipart/mixed; boundary="part"',
        "",
        "--part",
        *text,
        "--part",
        'Content-Type: application/pdf; name="invoice.pdf"',
        "Content-Transfer-Encoding: base64",
        "",
        "",
    ]
    pdf = base64.encodebytes(b"%PDF-1.7\n" + chance.randbytes(attached)).replace(b"\n", b"\r\n")
    return "\r\n".join(parts).encode() + pdf + b"--part--\r\n"


def _text(chance: random.Random) -> Iterator[str]:
    """2.6 to 7.6 KB in lines; one in a hundred begins with a dot, which is doubled on its way."""
    left = chance.randrange(2_600, 7_600)
    while left > 0:
        line = " ".join(chance.choices(_WORDS, k=10))
        if chance.randrange(100) == 0:
            line = f".{line}"
        left -= len(line.encode()) + 2
        yield line


def digest(stored: bytes) -> Digest:
    """What a message is known by: its octets from the mark on, whatever its line ends.

    Of something else it is a digest, too, but no message's.
    """
    start = max(stored.find(_MARK), 0)
    return hashlib.sha256(stored[start:].replace(b"\r\n", b"\n")).digest()


class Stock:
    """A load as files, which mailboxes are filled from, and what must arrive of it."""

    def __init__(self, load: Load, folder: Path) -> None:
        self.load = load
        self.expected: Counter[Digest] = Counter()
        self.files: list[Path] = []
        folder.mkdir()
        for number, message in enumerate(load.messages()):
            # Dovecot names delivered messages like this. With the sizes in it, LIST need not read the
            # messages.
            size = len(message)
            path = folder / f"{1_700_000_000 + number}.M{number}.bench,S={size},W={size}:2,"
            path.write_bytes(message)
            self.files.append(path)
            self.expected[digest(message)] += 1

    def fill(self, folder: Path) -> None:
        """Put all of it into a Maildir's `cur`, without copying."""
        for path in self.files:
            os.link(path, folder / path.name)


def mistakes(expected: Counter[Digest], arrived: Iterator[Path]) -> str:
    """What is wrong with what arrived; empty if each message is there once, and nothing else is."""
    found = Counter(digest(path.read_bytes()) for path in arrived)
    missing, surplus = expected - found, found - expected
    doubled = surplus.keys() & expected.keys()
    said = {
        "missing": missing.total(),
        "twice": sum(surplus[each] for each in doubled),
        "unknown": sum(surplus[each] for each in surplus.keys() - doubled),
    }
    return ", ".join(f"{count} {what}" for what, count in said.items() if count)
