"""The connection to a mail server through a proxy: TLS is the server's, and an ordinary day is survived."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from mailsluice.clock import SystemClock
from mailsluice.errors import (
    DeadlineExceeded,
    Obstacle,
    Phase,
    ServerBarred,
    ServerUnreachable,
    ServerUntrusted,
    Stopped,
)
from mailsluice.net.connection import Connection
from mailsluice.net.connections import Connections
from mailsluice.net.deadlines import Patience
from mailsluice.net.endpoint import Endpoint
from mailsluice.net.proxy import Direct, Proxy
from mailsluice.pop3.deadlines import Deadlines
from pop3.scripted import HOST, ScriptedServer, Wire, server_context
from support.black_hole import black_hole
from support.connect_proxy import (
    ConnectProxy,
    refusing,
    saying,
    silent,
    silent_in_the_tunnel,
    target_of,
    tunnel,
)
from support.secrecy import CANARY
from support.waiting import wait_until


def through(proxy: ConnectProxy) -> Proxy:
    return Proxy("127.0.0.1", proxy.port, "service.proxy", "")


@contextmanager
def connected(endpoint: Endpoint, connections: Connections, **deadlines: float) -> Iterator[Connection]:
    connection = Connection.open(
        endpoint,
        clock=SystemClock(),
        deadlines=replace(Deadlines(), **deadlines),  # type: ignore[arg-type]
        connections=connections,
    )
    try:
        yield connection
    finally:
        connection.close()


def greet(wire: Wire) -> None:
    wire.send(b"+OK ready\r\n")
    wire.until_closed()


def test_a_server_behind_a_proxy_is_verified_by_its_own_name(
    authority: trustme.CA, ca_file: Path, connections: Connections
) -> None:
    def to_the_server(wire: socket.socket, request: bytes) -> None:
        assert target_of(request)[0] == "pop.acme.example"
        tunnel(wire, request.replace(b"pop.acme.example", b"127.0.0.1"))

    server = ScriptedServer(greet, server_context(authority, "pop.acme.example"))
    with server, ConnectProxy(to_the_server) as proxy:
        endpoint = Endpoint("pop.acme.example", server.port, ca_file, route=through(proxy))
        with connected(endpoint, connections) as connection:
            assert bytes(connection.receive(Phase.GREETING, Patience(20))) == b"+OK ready\r\n"


def test_a_proxy_that_shows_a_certificate_of_its_own_is_not_trusted(
    ca_file: Path, connections: Connections
) -> None:
    def into_its_own_hands(wire: socket.socket, _: bytes) -> None:
        tunnel(wire, f"CONNECT 127.0.0.1:{interceptor.port} HTTP/1.1".encode())

    interceptor = ScriptedServer(silent_script, server_context(trustme.CA(), HOST), refused=True)
    with (
        interceptor,
        ConnectProxy(into_its_own_hands) as proxy,
        pytest.raises(ServerUntrusted, match=r"certificate of 127.0.0.1:995 \(through the proxy http://"),
        connected(Endpoint(HOST, 995, ca_file, route=through(proxy)), connections),
    ):
        pass


def silent_script(wire: Wire) -> None:
    wire.until_closed()


def test_octets_in_one_piece_with_the_proxys_answer_reach_tls(
    authority: trustme.CA, ca_file: Path, connections: Connections
) -> None:
    """A plain greeting behind the answer is no TLS: it is told as the server's, and never as the proxy's."""
    proxy = ConnectProxy(saying(b"HTTP/1.1 200 OK\r\n\r\n+OK plain greeting\r\n"))
    with (
        proxy,
        pytest.raises(ServerUnreachable, match="broke off the TLS handshake") as caught,
        connected(Endpoint(HOST, 110, ca_file, through(proxy)), connections),
    ):
        pass
    assert caught.value.obstacle is Obstacle.NO_TLS


def test_a_refusal_is_of_the_proxy_and_of_no_credential_or_message(connections: Connections) -> None:
    with (
        ConnectProxy(refusing(403)) as proxy,
        pytest.raises(
            ServerBarred, match=r"cannot connect to 127.0.0.1:995: the proxy .* does not allow"
        ) as caught,
        connected(Endpoint(HOST, 995, route=through(proxy)), connections),
    ):
        pass
    outcome = caught.value.outcome
    assert (caught.value.phase, caught.value.exit_code) == (Phase.CONNECT, 77)
    assert not outcome.of_credential
    assert not outcome.of_message


@pytest.mark.parametrize("behave", [refusing(503), saying(b"")])
def test_what_may_pass_is_told_as_a_server_that_is_unreachable(
    connections: Connections, behave: object
) -> None:
    with (
        ConnectProxy(behave) as proxy,  # type: ignore[arg-type]
        pytest.raises(ServerUnreachable, match="the proxy http://"),
        connected(Endpoint(HOST, 995, route=through(proxy)), connections),
    ):
        pass


@pytest.mark.parametrize("deadline", ["connect", "session"])
def test_a_proxy_that_is_silent_costs_no_more_than_the_deadline(
    connections: Connections, deadline: str
) -> None:
    begun = SystemClock().monotonic()
    with (
        ConnectProxy(silent) as proxy,
        pytest.raises(ServerUnreachable, match="did not answer in time"),
        connected(Endpoint(HOST, 995, route=through(proxy)), connections, **{deadline: 0.1}),
    ):
        pass
    assert SystemClock().monotonic() - begun < 5


def test_a_proxy_that_hangs_behind_its_answer_costs_the_deadline_of_the_handshake(
    ca_file: Path, connections: Connections
) -> None:
    with (
        ConnectProxy(silent_in_the_tunnel) as proxy,
        pytest.raises(DeadlineExceeded, match=r"127.0.0.1:995 \(through the proxy .*\) in phase tls"),
        connected(Endpoint(HOST, 995, ca_file, route=through(proxy)), connections, tls=0.1),
    ):
        pass


def test_a_stop_ends_the_wait_for_a_silent_proxy(connections: Connections) -> None:
    asked = threading.Event()

    def behave(wire: socket.socket, request: bytes) -> None:
        asked.set()
        silent(wire, request)

    def stop() -> None:
        asked.wait(10)
        connections.abort_all()

    begun = SystemClock().monotonic()
    threading.Thread(target=stop).start()
    with (
        ConnectProxy(behave) as proxy,
        pytest.raises(Stopped),
        connected(Endpoint(HOST, 995, route=through(proxy)), connections),
    ):
        pass
    assert SystemClock().monotonic() - begun < 5
    assert len(connections) == 0


def test_a_stop_ends_the_wait_for_the_answer_that_another_waits_for(connections: Connections) -> None:
    def behave(wire: socket.socket, request: bytes) -> None:
        waits = threading.Thread(target=connect)
        waits.start()
        wait_until(lambda: len(connections) == 2, "two connections")
        connections.abort_all()
        waits.join()
        silent(wire, request)

    def connect() -> None:
        with pytest.raises(Stopped), connected(Endpoint(HOST, 995, route=route), connections):
            pass
        stopped.append(True)

    stopped: list[bool] = []
    begun = SystemClock().monotonic()
    with ConnectProxy(behave) as proxy:
        route = replace(through(proxy), user="ann", password=lambda: f"{CANARY}-of-the-proxy")
        connect()
    assert SystemClock().monotonic() - begun < 5
    assert (stopped, len(proxy.requests)) == ([True, True], 1)


def test_a_proxy_that_is_restarted_in_a_session_costs_that_session_alone(
    authority: trustme.CA, ca_file: Path, connections: Connections
) -> None:
    context = server_context(authority, HOST)
    with ConnectProxy() as proxy:
        with ScriptedServer(greet, context) as server:
            endpoint = Endpoint(HOST, server.port, ca_file, route=through(proxy))
            with connected(endpoint, connections) as connection:
                connection.receive(Phase.GREETING, Patience(20))
                proxy.stop()
                assert bytes(connection.receive(Phase.RETRIEVE, Patience(20))) == b""
        proxy.start()
        with ScriptedServer(greet, context) as server:
            endpoint = Endpoint(HOST, server.port, ca_file, route=through(proxy))
            with connected(endpoint, connections) as connection:
                assert connection.receive(Phase.GREETING, Patience(20))


def test_a_dead_address_of_the_proxy_costs_a_fraction_of_a_second(
    authority: trustme.CA, ca_file: Path, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ScriptedServer(greet, server_context(authority, HOST))
    with black_hole() as dead, server, ConnectProxy() as proxy:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", at) for at in (dead, ("127.0.0.1", proxy.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        begun = SystemClock().monotonic()
        with connected(Endpoint(HOST, server.port, ca_file, route=through(proxy)), connections) as connection:
            assert connection.receive(Phase.GREETING, Patience(20))
    assert SystemClock().monotonic() - begun < 5


def test_where_no_proxy_is_used_an_unreachable_server_says_that_there_may_be_one(
    connections: Connections,
) -> None:
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        endpoint = Endpoint(HOST, unused.getsockname()[1], route=Direct("HTTPS_PROXY is set"))
        with pytest.raises(ServerUnreachable) as caught, connected(endpoint, connections):
            pass
    assert caught.value.remedy == "HTTPS_PROXY is set"
