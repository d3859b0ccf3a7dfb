"""What a header proves about a message that the ledger has."""

from __future__ import annotations

import pytest

from mailsluice.message.header import Header
from mailsluice.message.identity import CURRENT, identity
from mailsluice.message.recognition import Evidence, Verdict, recognise

SCAN = b"Received: by a; Mon, 1 Jun 2026 08:00:0%d +0000\r\nMessage-ID: <device@x>\r\nFrom: s@x\r\n\r\n"
NOTHING_TO_TELL_BY = Header(b"Message-ID: <device@x>\r\nFrom: scanner@x\r\nSubject: scan\r\n\r\n")


def known(header: Header, *, alone: bool = True) -> Evidence:
    found = identity(header)
    assert found is not None
    return Evidence(found, alone)


def test_the_same_header_is_the_same_message() -> None:
    assert recognise(Header(SCAN % 1), known(Header(SCAN % 1))) is Verdict.SAME


def test_two_scans_of_a_device_with_one_message_id_are_two_messages() -> None:
    assert recognise(Header(SCAN % 2), known(Header(SCAN % 1))) is Verdict.OTHER


def test_a_mail_that_was_sent_twice_is_two_messages() -> None:
    letter = (
        b"Message-ID: <1@x>\r\nDate: Mon, 1 Jun 2026 10:00:00 +0200\r\nFrom: a@x\r\nSubject: again\r\n\r\n"
    )
    first, second = (b"Received: by a; Mon, 1 Jun 2026 08:00:0%d +0000\r\n" % n + letter for n in (1, 2))
    assert recognise(Header(second), known(Header(first))) is Verdict.OTHER


def test_a_header_with_nothing_to_tell_by_does_not_prove_that_it_is_the_same_message() -> None:
    assert recognise(NOTHING_TO_TELL_BY, known(NOTHING_TO_TELL_BY)) is Verdict.UNDECIDED


def test_two_headers_that_differ_are_two_messages_however_little_they_tell() -> None:
    other = Header(b"Message-ID: <device@x>\r\nFrom: scanner@x\r\nSubject: another scan\r\n\r\n")
    assert recognise(other, known(NOTHING_TO_TELL_BY)) is Verdict.OTHER


def test_a_header_that_is_not_all_there_proves_nothing() -> None:
    assert recognise(Header(SCAN % 1, limit=20), known(Header(SCAN % 1))) is Verdict.UNDECIDED


def test_without_an_identity_that_proves_something_nothing_is_proved() -> None:
    assert recognise(Header(SCAN % 1), None) is Verdict.UNDECIDED


def test_an_identity_that_the_mailbox_had_twice_does_not_say_which_it_is() -> None:
    assert recognise(Header(SCAN % 1), known(Header(SCAN % 1), alone=False)) is Verdict.UNDECIDED


def test_another_identity_is_another_message_even_if_the_mailbox_had_that_twice() -> None:
    assert recognise(Header(SCAN % 2), known(Header(SCAN % 1), alone=False)) is Verdict.OTHER


def test_an_identity_of_a_version_that_nobody_reads_any_more_proves_nothing() -> None:
    other_version = bytes([CURRENT + 1]) + known(Header(SCAN % 1)).identity[1:]
    assert recognise(Header(SCAN % 1), Evidence(other_version)) is Verdict.UNDECIDED


@pytest.mark.parametrize("octets", [b"", b"x", bytes(40)])
def test_what_is_no_identity_proves_nothing(octets: bytes) -> None:
    assert recognise(Header(SCAN % 1), Evidence(octets)) is Verdict.UNDECIDED
