from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable

import pytest

from mailsluice.errors import CommandRefused, ConnectionLost, Phase, ProtocolViolation
from mailsluice.model import Listed, Listing
from mailsluice.pop3.client import Client
from pop3.scripted import Wire, playing

Connect = Callable[..., Client]


def test_a_message_listed_without_a_size_has_none(logged_in: Connect) -> None:
    client = logged_in(
        playing("C: UIDL\nS: +OK\nS: 1 a\nS: 2 b\nS: .\nC: LIST\nS: +OK\nS: 2 5\nS: nonsense\nS: .")
    )
    assert tuple(client.listing()) == (Listed(1, b"a", None), Listed(2, b"b", 5))


def test_a_refused_list_leaves_the_sizes_out(logged_in: Connect) -> None:
    client = logged_in(playing("C: UIDL\nS: +OK\nS: 1 a\nS: .\nC: LIST\nS: -ERR no"))
    assert tuple(client.listing()) == (Listed(1, b"a", None),)


def test_a_refused_uidl_leaves_the_session_alive(logged_in: Connect) -> None:
    client = logged_in(playing("C: UIDL\nS: -ERR not connected\nC: QUIT\nS: +OK"))
    with pytest.raises(CommandRefused) as refused:
        client.listing()
    assert (refused.value.phase, refused.value.reply) == (Phase.LISTING, "not connected")
    client.quit()


def test_a_malformed_uidl_listing_ends_the_session(logged_in: Connect) -> None:
    client = logged_in(playing("C: UIDL\nS: +OK\nS: 1 a\nS: 1 b\nS: .\nC: LIST\nS: +OK\nS: ."))
    listing = client.listing()
    with pytest.raises(ProtocolViolation, match=r"twice: .1"):
        tuple(listing)
    with pytest.raises(ConnectionLost):
        client.quit()


def test_an_empty_mailbox_is_not_asked_for_sizes(logged_in: Connect) -> None:
    client = logged_in(playing("C: UIDL\nS: +OK\nS: .\nC: QUIT\nS: +OK"))
    assert tuple(client.listing()) == ()
    client.quit()


def listed(logged_in: Connect, uidls: str, sizes: str) -> Listing:
    transcript = f"C: UIDL\nS: +OK\n{uidls}\nS: .\nC: LIST\n{sizes}"
    listing: Listing = logged_in(playing(transcript)).listing()
    return listing


def test_the_same_listing_has_the_same_digest(logged_in: Connect) -> None:
    one, other = (listed(logged_in, "S: 1 a\nS: 2 b", "S: +OK\nS: 1 5\nS: .") for _ in range(2))
    assert one.digest == other.digest


@pytest.mark.parametrize(
    ("uidls", "sizes"),
    [
        ("S: 1 a\nS: 2 c", "S: +OK\nS: 1 5\nS: ."),
        ("S: 2 a\nS: 1 b", "S: +OK\nS: 1 5\nS: ."),
        ("S: 1 a\nS: 2 b", "S: +OK\nS: 1 6\nS: ."),
        ("S: 1 a\nS: 2 b", "S: +OK\nS: ."),
        ("S: 1 a\nS: 2 b", "S: -ERR"),
        ("S: 1 a", "S: +OK\nS: 2 b\nS: 1 5\nS: ."),
    ],
    ids=["uidl", "number", "size", "no sizes", "sizes refused", "shifted"],
)
def test_another_listing_has_another_digest(logged_in: Connect, uidls: str, sizes: str) -> None:
    first = listed(logged_in, "S: 1 a\nS: 2 b", "S: +OK\nS: 1 5\nS: .")
    assert listed(logged_in, uidls, sizes).digest != first.digest


def test_sizes_that_are_refused_are_not_taken_for_none(logged_in: Connect) -> None:
    none, refused = (listed(logged_in, "S: 1 a", sizes) for sizes in ("S: +OK\nS: .", "S: -ERR"))
    assert none.digest != refused.digest


def test_a_listing_too_long_for_memory_is_given_up_with_a_remedy(logged_in: Connect) -> None:
    def endless(wire: Wire) -> None:
        wire.play("C: UIDL\nS: +OK")
        with contextlib.suppress(OSError):  # the client hangs up
            for _ in range(9 * 2**20 // 10_000):
                wire.send(b"1 23456\r\n" + b"x" * 9_991)
            wire.until_closed()

    with logged_in(endless) as client, pytest.raises(ProtocolViolation, match="4194304 octets") as broken:
        client.listing()
    assert "100000 messages" in broken.value.remedy


@pytest.mark.parametrize(("messages", "taken"), [(100_000, True), (100_001, False)])
def test_a_listing_of_too_many_messages_is_given_up_with_a_remedy(
    logged_in: Connect, messages: int, taken: bool
) -> None:
    def long(wire: Wire) -> None:
        wire.play("C: UIDL\nS: +OK")
        wire.send(b"".join(b"%d u\r\n" % number for number in range(1, messages + 1)) + b".\r\n")
        wire.play("C: LIST\nS: -ERR")
        wire.until_closed()

    with logged_in(long) as client:
        if taken:
            listing = client.listing()
            assert len(listing) == len(tuple(listing)) == messages
            return
        with pytest.raises(ProtocolViolation, match="more than 100000 messages") as broken:
            client.listing()
    assert "100000 messages" in broken.value.remedy


def test_a_password_in_a_malformed_listing_is_concealed(logged_in: Connect) -> None:
    client = logged_in(playing("C: UIDL\nS: +OK\nS: canary-password\nS: .\nC: LIST\nS: -ERR"))
    listing = client.listing()
    with pytest.raises(ProtocolViolation) as broken:
        tuple(listing)
    assert broken.value.reply == "***"
    assert "canary" not in str(broken.value)


def test_a_listing_in_tiny_pieces_takes_no_more_memory_than_its_octets(logged_in: Connect) -> None:
    def pieces(wire: Wire) -> None:
        wire.play("C: UIDL\nS: +OK")
        wire.send(b"1 ")
        for _ in range(10_000):
            wire.send(b"xy")
        wire.send(b"\r\n.\r\n")
        wire.play("C: LIST\nS: -ERR")

    client = logged_in(pieces)
    tracemalloc.start()
    try:
        listing = client.listing()
        with pytest.raises(ProtocolViolation):
            tuple(listing)
        assert tracemalloc.get_traced_memory()[1] < 250_000
    finally:
        tracemalloc.stop()
