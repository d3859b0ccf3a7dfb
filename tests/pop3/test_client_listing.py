from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable

import pytest

from mailsluice.errors import CommandRefused, ConnectionLost, Phase, ProtocolViolation
from mailsluice.model import Listed
from mailsluice.pop3.client import Client
from pop3.scripted import Wire, playing

Connect = Callable[..., Client]


def test_a_message_listed_without_a_size_has_none(logged_in: Connect) -> None:
    client = logged_in(
        playing("C: UIDL\nS: +OK\nS: 1 a\nS: 2 b\nS: .\nC: LIST\nS: +OK\nS: 2 5\nS: nonsense\nS: .")
    )
    assert client.listing() == (Listed(1, b"a", None), Listed(2, b"b", 5))


def test_a_refused_list_leaves_the_sizes_out(logged_in: Connect) -> None:
    client = logged_in(playing("C: UIDL\nS: +OK\nS: 1 a\nS: .\nC: LIST\nS: -ERR no"))
    assert client.listing() == (Listed(1, b"a", None),)


def test_a_refused_uidl_leaves_the_session_alive(logged_in: Connect) -> None:
    client = logged_in(playing("C: UIDL\nS: -ERR not connected\nC: QUIT\nS: +OK"))
    with pytest.raises(CommandRefused) as refused:
        client.listing()
    assert (refused.value.phase, refused.value.reply) == (Phase.LISTING, "not connected")
    client.quit()


def test_a_refused_uidl_leaves_a_pipelining_session_alive(logged_in: Connect) -> None:
    client = logged_in(
        playing("C: UIDL\nC: LIST\nS: -ERR no\nS: +OK\nS: 1 5\nS: .\nC: QUIT\nS: +OK"), "PIPELINING"
    )
    with pytest.raises(CommandRefused):
        client.listing()
    client.quit()


def test_a_malformed_uidl_listing_ends_the_session(logged_in: Connect) -> None:
    client = logged_in(playing("C: UIDL\nS: +OK\nS: 1 a\nS: 1 b\nS: .\nC: LIST\nS: +OK\nS: ."))
    with pytest.raises(ProtocolViolation, match=r"twice: .1"):
        client.listing()
    with pytest.raises(ConnectionLost):
        client.quit()


def test_a_pipelining_server_is_asked_for_uidl_and_list_at_once(logged_in: Connect) -> None:
    client = logged_in(playing("C: UIDL\nC: LIST\nS: +OK\nS: 1 a\nS: .\nS: +OK\nS: 1 5\nS: ."), "PIPELINING")
    assert client.listing() == (Listed(1, b"a", 5),)


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
            assert len(client.listing()) == messages
            return
        with pytest.raises(ProtocolViolation, match="more than 100000 messages") as broken:
            client.listing()
    assert "100000 messages" in broken.value.remedy


def test_a_password_in_a_malformed_listing_is_concealed(logged_in: Connect) -> None:
    client = logged_in(playing("C: UIDL\nS: +OK\nS: canary-password\nS: .\nC: LIST\nS: -ERR"))
    with pytest.raises(ProtocolViolation) as broken:
        client.listing()
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
        with pytest.raises(ProtocolViolation):
            client.listing()
        assert tracemalloc.get_traced_memory()[1] < 250_000
    finally:
        tracemalloc.stop()
