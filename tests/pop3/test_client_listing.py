from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable

import pytest

from mailsluice.errors import CommandRefused, ConnectionLost, Phase, ProtocolViolation
from mailsluice.model import Listed, Listing, Window
from mailsluice.pop3 import client as client_module
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


def test_a_uidl_listing_that_makes_no_sense_ends_the_session(logged_in: Connect) -> None:
    client = logged_in(playing("C: UIDL\nS: +OK\nS: what is this\nS: .\nC: LIST\nS: +OK\nS: ."))
    listing = client.listing()
    with pytest.raises(ProtocolViolation, match="nothing but lines like 'what is this'"):
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


def test_a_listing_without_end_is_given_up_with_a_remedy(
    logged_in: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_LONGEST_LISTING", 4_000_000)

    def endless(wire: Wire) -> None:
        wire.play("C: UIDL\nS: +OK")
        with contextlib.suppress(OSError):  # the client hangs up
            for _ in range(9 * 2**20 // 10_000):
                wire.send(b"1 23456\r\n" + b"x" * 9_991)
            wire.until_closed()

    with logged_in(endless) as client, pytest.raises(ProtocolViolation, match="4000000 octets") as broken:
        client.listing()
    assert "more than 25165824 octets (24 MiB) to UIDL" in broken.value.remedy


def test_of_a_long_listing_the_window_is_shown_with_its_sizes(logged_in: Connect) -> None:
    client = logged_in(
        playing(
            "C: UIDL\nS: +OK\nS: 1 a\nS: 2 b\nS: 3 c\nS: 4 d\nS: 5 e\nS: .\n"
            "C: LIST\nS: +OK\nS: 1 10\nS: 2 20\nS: 3 30\nS: 4 40\nS: 5 50\nS: ."
        )
    )
    listing = client.listing(Window(1, 2))
    assert tuple(listing) == (Listed(1, b"a", 10), Listed(4, b"d", 40), Listed(5, b"e", 50))
    assert (listing.total, listing.beyond, listing.is_whole) == (5, 2, False)


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
        assert client.listing().unusable == 1
        assert tracemalloc.get_traced_memory()[1] < 250_000
    finally:
        tracemalloc.stop()
