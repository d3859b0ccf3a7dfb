"""The stages of a connection that opens, as somebody who watches is told."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from mailsluice.clock import SystemClock
from mailsluice.errors import Obstacle, ServerBarred, ServerError, ServerUnreachable, ServerUntrusted
from mailsluice.net.certificate import Tls
from mailsluice.net.connection import Connection
from mailsluice.net.connections import Connections
from mailsluice.net.endpoint import Endpoint
from mailsluice.net.proxy import Barred, Proxy
from mailsluice.net.stages import Found, Stage
from mailsluice.pop3.deadlines import Deadlines
from pop3.scripted import HOST, ScriptedServer, Wire, server_context
from support.connect_proxy import ConnectProxy, refusing


class Watcher:
    """Notes what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[Stage, Any]] = []

    def __call__(self, stage: Stage, found: Found | None) -> None:
        self.told.append((stage, found))

    @property
    def last(self) -> tuple[Stage, Any]:
        return self.told[-1]


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


def opened(endpoint: Endpoint, watcher: Watcher, connections: Connections) -> None:
    Connection.open(
        endpoint, clock=SystemClock(), deadlines=Deadlines(), connections=connections, observe=watcher
    ).close()


def silent(wire: Wire) -> None:
    wire.until_closed()


def test_each_stage_is_told_when_it_begins_and_with_what_it_found(
    authority: trustme.CA, ca_file: Path, connections: Connections, watcher: Watcher
) -> None:
    with ScriptedServer(silent, server_context(authority, HOST)) as server:
        port = server.port
        opened(Endpoint(HOST, port, ca_file), watcher, connections)
    assert watcher.told[:-1] == [
        (Stage.NAME, None),
        (Stage.NAME, [HOST]),
        (Stage.TCP, None),
        (Stage.TCP, f"{HOST}:{port}"),
        (Stage.TLS, None),
    ]
    stage, tls = watcher.last
    assert stage is Stage.TLS
    assert isinstance(tls, Tls)
    assert tls.certificate.names == (HOST,)


def test_of_several_addresses_the_one_that_answered_is_told(
    authority: trustme.CA,
    ca_file: Path,
    connections: Connections,
    watcher: Watcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as unused, ScriptedServer(silent, server_context(authority, HOST)) as server:
        unused.bind(("127.0.0.2", 0))
        dead, live = unused.getsockname(), (HOST, server.port)
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", at) for at in (dead, live)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        opened(Endpoint(HOST, server.port, ca_file), watcher, connections)
    assert (Stage.NAME, ["127.0.0.2", HOST]) in watcher.told
    assert (Stage.TCP, f"{HOST}:{live[1]}") in watcher.told


def test_name_and_tcp_are_the_proxys_and_then_it_says_whether_it_makes_a_tunnel(
    authority: trustme.CA, ca_file: Path, connections: Connections, watcher: Watcher
) -> None:
    with ScriptedServer(silent, server_context(authority, HOST)) as server, ConnectProxy() as proxy:
        route = Proxy(HOST, proxy.port, "service.proxy", "")
        opened(Endpoint(HOST, server.port, ca_file, route=route), watcher, connections)
    assert watcher.told[3:6] == [
        (Stage.TCP, f"{HOST}:{proxy.port}"),
        (Stage.PROXY, None),
        (Stage.PROXY, f"the proxy http://{HOST}:{proxy.port} (service.proxy): HTTP 200"),
    ]
    assert [stage for stage, _ in watcher.told[6:]] == [Stage.TLS, Stage.TLS]


def test_a_proxy_that_refuses_fails_at_its_own_stage(connections: Connections, watcher: Watcher) -> None:
    with ConnectProxy(refusing(403)) as proxy:
        route = Proxy(HOST, proxy.port, "service.proxy", "")
        with pytest.raises(ServerBarred) as barred:
            opened(Endpoint(HOST, 995, route=route), watcher, connections)
    assert watcher.last == (Stage.PROXY, None)
    assert barred.value.obstacle is Obstacle.PROXY


def test_a_proxy_that_cannot_be_understood_fails_at_its_own_stage(
    connections: Connections, watcher: Watcher
) -> None:
    with pytest.raises(ServerBarred):
        opened(Endpoint(HOST, 995, route=Barred("HTTPS_PROXY is wrong", "")), watcher, connections)
    assert watcher.told == [(Stage.PROXY, None)]


def test_a_name_without_an_address_fails_at_its_stage(
    connections: Connections, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ServerUnreachable) as unreachable:
        opened(Endpoint("mail.invalid", 995), watcher, connections)
    assert watcher.told == [(Stage.NAME, None)]
    assert unreachable.value.obstacle is Obstacle.NAME


def test_a_port_that_refuses_fails_at_tcp(connections: Connections, watcher: Watcher) -> None:
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        with pytest.raises(ServerUnreachable):
            opened(Endpoint(HOST, unused.getsockname()[1]), watcher, connections)
    assert watcher.last == (Stage.TCP, None)


def test_a_certificate_that_is_not_accepted_fails_at_tls(
    ca_file: Path, connections: Connections, watcher: Watcher
) -> None:
    context = server_context(trustme.CA(), HOST)
    with ScriptedServer(silent, context, refused=True) as server, pytest.raises(ServerUntrusted):
        opened(Endpoint(HOST, server.port, ca_file), watcher, connections)
    assert watcher.last == (Stage.TLS, None)


def test_a_poll_that_nobody_watches_reads_no_certificate(
    authority: trustme.CA, ca_file: Path, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    monkeypatch.setattr(ssl.SSLSocket, "getpeercert", lambda *_: read.append(1))
    with ScriptedServer(silent, server_context(authority, HOST)) as server, suppress(ServerError):
        endpoint = Endpoint(HOST, server.port, ca_file)
        Connection.open(endpoint, clock=SystemClock(), deadlines=Deadlines(), connections=connections).close()
    assert not read
