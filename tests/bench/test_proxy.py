from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from benchmarks.proxy import DelayingProxy

ROUND_TRIP = 0.05
LONG = 0.5
"""A round trip beside which what the machine does meanwhile is little."""


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets, until that ends."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            while chunk := connection.recv(65536):
                connection.sendall(chunk)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with closing(listening):
        yield listening.getsockname()[1]
    thread.join(10)


@pytest.fixture
def proxy(echo: int) -> Iterator[DelayingProxy]:
    with DelayingProxy(echo, ROUND_TRIP) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: DelayingProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as client:
        yield client


def received(client: socket.socket, count: int) -> bytes:
    octets = b""
    while len(octets) < count:
        octets += client.recv(65536)
    return octets


def test_the_first_answer_takes_the_handshakes_round_trip_and_its_own(echo: int) -> None:
    with DelayingProxy(echo, LONG) as proxy:
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as client:
            client.sendall(b"x")
            received(client, 1)
            took = time.monotonic() - begun
    assert 2 * LONG <= took < 3 * LONG


def test_a_later_answer_takes_one_round_trip(client: socket.socket) -> None:
    client.sendall(b"x")
    received(client, 1)
    took = []
    for _ in range(10):
        begun = time.monotonic()
        client.sendall(b"x")
        received(client, 1)
        took.append(time.monotonic() - begun)
    # Of a busy machine the quickest tells what the line takes.
    assert ROUND_TRIP <= min(took) < 1.8 * ROUND_TRIP


def test_what_is_asked_one_by_one_counts_one_by_one(proxy: DelayingProxy, client: socket.socket) -> None:
    for _ in range(5):
        client.sendall(b"x")
        received(client, 1)
    assert proxy.round_trips.count == 1 + 5


def test_what_is_asked_at_once_counts_once(echo: int) -> None:
    with (
        DelayingProxy(echo, LONG) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as client,
    ):
        client.sendall(b"x" * 50)
        received(client, 50)
        assert proxy.round_trips.count == 1 + 1


def test_octets_keep_their_order_both_ways(client: socket.socket) -> None:
    sent = random.Random(1).randbytes(20_000_000)
    threading.Thread(target=client.sendall, args=(sent,), daemon=True).start()
    assert received(client, len(sent)) == sent


def test_the_end_follows_what_was_sent_before_it(client: socket.socket) -> None:
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    assert received(client, 10) == b"last words"
    assert client.recv(1) == b""


def test_a_farewell_after_the_server_has_ended_counts_nothing() -> None:
    farewell = b""

    def serve(listening: socket.socket) -> None:
        nonlocal farewell
        server, _ = listening.accept()
        with server:
            server.sendall(server.recv(1))
            server.shutdown(socket.SHUT_WR)
            farewell = server.recv(10)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve, args=(listening,))
        serving.start()
        with (
            DelayingProxy(listening.getsockname()[1], 0.0) as proxy,
            socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as client,
        ):
            client.sendall(b"x")
            assert received(client, 1) == b"x"
            assert client.recv(1) == b""
            client.sendall(b"bye")
            serving.join()
    assert farewell == b"bye"
    assert proxy.round_trips.count == 1 + 1
