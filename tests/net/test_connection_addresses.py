"""The addresses of a mail server, of which some may be dead."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from mailsluice.clock import SystemClock
from mailsluice.errors import DeadlineExceeded, Obstacle, Phase, ServerUnreachable, Stopped
from mailsluice.net.connection import Connection
from mailsluice.net.connections import Connections
from mailsluice.net.endpoint import Endpoint
from mailsluice.pop3.deadlines import Deadlines
from pop3.scripted import HOST, ScriptedServer, Wire, server_context
from support.black_hole import black_hole


def silent(wire: Wire) -> None:
    wire.until_closed()


def connect(endpoint: Endpoint, connections: Connections, **deadlines: float) -> Connection:
    return Connection.open(
        endpoint,
        clock=SystemClock(),
        deadlines=replace(Deadlines(), **deadlines),  # type: ignore[arg-type]
        connections=connections,
    )


def test_a_dead_address_costs_a_fraction_of_a_second(
    authority: trustme.CA, ca_file: Path, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ScriptedServer(silent, server_context(authority, HOST))
    with black_hole() as dead, server:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", at) for at in (dead, (HOST, server.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        connection = connect(Endpoint(HOST, server.port, ca_file), connections)
        seconds = SystemClock().monotonic() - connection.opened
        connection.close()
    print(f"{seconds:.3f} s")
    assert seconds < Deadlines().connect / 10


def test_no_answer_to_a_connect_is_unreachable(connections: Connections) -> None:
    begun = SystemClock().monotonic()
    with (
        black_hole() as (host, port),
        pytest.raises(ServerUnreachable, match=r"cannot connect.*no answer") as unreachable,
    ):
        connect(Endpoint(host, port), connections, connect=0.05)
    assert unreachable.value.phase is Phase.CONNECT
    assert unreachable.value.obstacle is Obstacle.DROPPED
    assert SystemClock().monotonic() - begun < Deadlines().connect / 2


def test_a_session_that_is_over_before_there_is_a_connection_says_nothing_of_a_firewall(
    connections: Connections,
) -> None:
    with black_hole() as (host, port), pytest.raises(DeadlineExceeded, match=r"lasted its 0\.05 s") as over:
        connect(Endpoint(host, port), connections, session=0.05)
    assert over.value.phase is Phase.CONNECT
    assert over.value.obstacle is None


def test_abort_from_another_thread_ends_a_connect(connections: Connections) -> None:
    threading.Timer(0.05, connections.abort_all).start()
    with black_hole() as (host, port), pytest.raises(Stopped):
        connect(Endpoint(host, port), connections)
