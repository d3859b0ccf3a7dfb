from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from mailsluice.errors import ConnectionLost, ProtocolViolation
from mailsluice.message.header import LIMIT, Header
from mailsluice.model import Listed
from mailsluice.pop3 import client as module
from mailsluice.pop3.client import Client
from pop3.scripted import Script, Wire

Connect = Callable[..., Client]

LISTED = Listed(1, b"a")


def answering(*pieces: bytes) -> Script:
    """TOP is answered with these octets; then the session goes on."""

    def script(wire: Wire) -> None:
        wire.expect(b"TOP 1 0")
        wire.send(b"+OK\r\n")
        for piece in pieces:
            wire.send(piece)
        wire.send(b"\r\n.\r\n")
        wire.play("C: QUIT\nS: +OK")

    return script


def test_a_header_is_what_the_server_tells_of_it(logged_in: Connect) -> None:
    client = logged_in(answering(b"Subject: x\r\nTo: b@x\r\n"))
    assert client.header(LISTED) == b"Subject: x\r\nTo: b@x\r\n\r\n"
    client.quit()


def test_a_body_that_comes_with_a_header_is_no_part_of_it(logged_in: Connect) -> None:
    client = logged_in(answering(b"Subject: x\r\n\r\n", b"body\r\n" * 1000))
    assert client.header(LISTED) == b"Subject: x\r\n\r\n"
    client.quit()


def test_a_header_that_is_too_long_ends_no_session(logged_in: Connect) -> None:
    client = logged_in(answering(b"Subject: x\r\n", b"To: b@x.example\r\n" * (LIMIT // 10)))
    header = Header(client.header(LISTED))
    assert header.truncated
    assert header.first("subject") == b" x"
    client.quit()


def test_a_whole_message_instead_of_its_header_takes_little_memory(logged_in: Connect) -> None:
    client = logged_in(answering(b"Subject: x\r\n\r\n", *[b"x" * 2**20] * 16))
    tracemalloc.start()
    try:
        assert client.header(LISTED) == b"Subject: x\r\n\r\n"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * LIMIT
    client.quit()


def test_a_header_without_end_ends_the_session(logged_in: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_TOP", 100_000)

    def script(wire: Wire) -> None:
        wire.expect(b"TOP 1 0")
        wire.send(b"+OK\r\n" + b"Subject: x\r\n" * 10_000)
        wire.until_closed()

    client = logged_in(script)
    with pytest.raises(ProtocolViolation, match="more than 100000 octets"):
        client.header(LISTED)
    with pytest.raises(ConnectionLost):
        client.quit()
