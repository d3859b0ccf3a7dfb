"""The name by which a mail server is known: one in its certificate's subjectAltName."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trustme

from mailsluice.clock import SystemClock
from mailsluice.errors import Obstacle, ServerUntrusted
from mailsluice.net.connection import Connection
from mailsluice.net.connections import Connections
from mailsluice.net.endpoint import Endpoint
from mailsluice.pop3.deadlines import Deadlines
from pop3.scripted import ScriptedServer, Wire
from support.certificates import with_common_name_alone


def test_a_certificate_that_has_the_name_as_its_common_name_alone_is_untrusted(
    authority: trustme.CA, ca_file: Path, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(wire: Wire) -> None:
        wire.until_closed()

    context = with_common_name_alone(authority, "pop.example")
    with ScriptedServer(refused, context, refused=True) as server:
        here = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [here])
        with pytest.raises(ServerUntrusted, match="Hostname mismatch") as untrusted:
            Connection.open(
                Endpoint("pop.example", server.port, ca_file),
                clock=SystemClock(),
                deadlines=Deadlines(),
                connections=connections,
            )
    assert untrusted.value.obstacle is Obstacle.OTHER_NAME
