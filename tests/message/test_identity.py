"""What one delivery is known again by."""

from __future__ import annotations

import pytest

from mailsluice.message.header import LIMIT, Header
from mailsluice.message.identity import CURRENT, identity, is_strong, version_of

RECEIVED = (
    b"Received: from b.example by c.example\r\n with SMTP id 15.20; Mon, 1 Jun 2026 08:00:01 +0000\r\n"
    b"Received: from a.example by b.example; Mon, 1 Jun 2026 08:00:00 +0000\r\n"
)
FIELDS = b"Message-ID: <1@x>\r\nDate: Mon, 1 Jun 2026 10:00:00 +0200\r\nFrom: Ann <ann@x>\r\nTo: b@x\r\nSubject: a\r\n"
LETTER = RECEIVED + FIELDS + b"\r\nbody\r\n"


def of(head: bytes) -> bytes | None:
    return identity(Header(head))


@pytest.mark.parametrize(
    "other",
    [
        LETTER.replace(b"body", b"another"),
        LETTER.replace(b"Subject: a", b"X-Moved: yes\r\nSubject: a"),
        LETTER.replace(b"From: Ann <ann@x>", b"from:Ann\r\n <ann@x>"),
        LETTER.partition(b"\r\n\r\n")[0],
        LETTER.replace(b"\r\n", b"\n"),
        LETTER.replace(b"\r\n with", b"  with"),
    ],
    ids=["body", "other fields", "folding", "header alone", "line ends", "folding of Received"],
)
def test_a_copy_of_a_delivery_has_its_identity(other: bytes) -> None:
    assert of(other) == of(LETTER) is not None


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        (b"<1@x>", b"<2@x>"),
        (b"10:00:00 +0200", b"10:01:00 +0200"),
        (b"Ann <ann@x>", b"Bob <bob@x>"),
        (b"b@x", b"c@x"),
        (b"Subject: a", b"Subject: b"),
        (b"08:00:01", b"08:00:02"),
        (b"08:00:00", b"07:59:59"),
        (b"Received: from b", b"Received: x; y\r\nReceived: from b"),
    ],
)
def test_another_value_of_any_of_its_fields_is_another_identity(part: bytes, instead: bytes) -> None:
    assert part in LETTER
    assert of(LETTER.replace(part, instead, 1)) != of(LETTER)


def test_two_scans_with_one_message_id_and_no_date_are_told_apart_by_their_received_lines() -> None:
    scan = b"Message-ID: <device@x>\r\nFrom: scanner@x\r\nSubject: scan\r\n\r\n"
    one, two = (b"Received: from s by c; Mon, 1 Jun 2026 08:00:0%d +0000\r\n" % n + scan for n in (1, 2))
    assert None is not of(one) != of(two) is not None


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\r\n",
        b"\xff" * 99,
        b"Message-ID: <1@x>\r\nFrom: a@x\r\nSubject: a\r\n\r\n",
        FIELDS.replace(b"Message-ID", b"X-ID"),
        FIELDS.replace(b"<1@x>", b""),
        b"Received: by a device without a clock\r\nSubject: a\r\n\r\n",
    ],
    ids=["nothing", "empty", "octets", "no Date", "no ID", "empty ID", "no time in Received"],
)
def test_a_header_with_too_little_to_tell_by_has_a_weak_identity(head: bytes) -> None:
    known = of(head)
    assert known is not None
    assert not is_strong(known)
    assert version_of(known) == CURRENT


def test_a_header_that_is_cut_off_has_no_identity() -> None:
    assert of(RECEIVED + b"X: " + LIMIT * b"x") is None


def test_a_message_id_and_a_date_tell_where_no_server_left_a_received_line() -> None:
    known = of(FIELDS + b"\r\n")
    assert known is not None
    assert is_strong(known)


def test_an_identity_says_which_version_read_it() -> None:
    known = of(LETTER)
    assert known is not None
    assert version_of(known) == CURRENT
    assert version_of(b"") != CURRENT


def test_a_version_that_is_not_known_reads_nothing() -> None:
    assert identity(Header(LETTER), CURRENT + 1) is None
