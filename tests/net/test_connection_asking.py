"""A port that begins in clear: TLS is asked for first, and then counts alone."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import trustme

from mailsluice.clock import SystemClock
from mailsluice.errors import ConnectionLost, Phase, ProtocolViolation, ServerUnreachable
from mailsluice.net.connection import Connection
from mailsluice.net.connections import Connections
from mailsluice.net.deadlines import Patience
from mailsluice.net.endpoint import AskForTls, Endpoint
from mailsluice.pop3.deadlines import Deadlines
from pop3.scripted import HOST, Script, ScriptedServer, Wire, server_context

Opened = Callable[[Script, AskForTls], bytes]


def asking(plain: socket.socket, _left: Callable[[], float]) -> None:
    plain.sendall(b"TLS?\r\n")
    assert plain.recv(5) == b"yes\r\n"


def wait_for_the_end(wire: Wire) -> None:
    wire.until_closed()


@pytest.fixture
def opened(connections: Connections, ca_file: Path) -> Opened:
    """What comes first over TLS."""

    def opened(script: Script, ask: AskForTls) -> bytes:
        with (
            ScriptedServer(script, None) as server,
            closing(
                Connection.open(
                    Endpoint(HOST, server.port, ca_file, ask_for_tls=ask),
                    clock=SystemClock(),
                    deadlines=Deadlines(),
                    connections=connections,
                )
            ) as connection,
        ):
            return bytes(connection.receive(Phase.GREETING, Patience(10)))

    return opened


def test_tls_begins_after_the_server_was_asked(opened: Opened, authority: trustme.CA) -> None:
    def script(wire: Wire) -> None:
        wire.expect(b"TLS?")
        wire.send(b"yes\r\n")
        with server_context(authority, HOST).wrap_socket(wire._socket, server_side=True) as secured:
            secured.sendall(b"secret")

    assert opened(script, asking) == b"secret"


def test_what_is_sent_in_clear_behind_the_answer_never_arrives(opened: Opened) -> None:
    def script(wire: Wire) -> None:
        wire.expect(b"TLS?")
        wire.send(b"yes\r\nand more in clear\r\n")
        wire.until_closed()

    with pytest.raises(ServerUnreachable, match="broke off the TLS handshake"):
        opened(script, asking)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ProtocolViolation("no", phase=Phase.GREETING), ProtocolViolation),
        (ConnectionResetError(), ConnectionLost),
    ],
)
def test_an_error_while_asking_closes_the_socket(
    opened: Opened, connections: Connections, error: Exception, raised: type[Exception]
) -> None:
    sockets: list[socket.socket] = []

    def ask(plain: socket.socket, _left: Callable[[], float]) -> None:
        sockets.append(plain)
        raise error

    with pytest.raises(raised):
        opened(wait_for_the_end, ask)

    assert sockets[0].fileno() == -1
    assert len(connections) == 0
