"""Connections whose server is silent: they say so, and end early for others."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from mailsluice.clock import SystemClock
from mailsluice.errors import GaveWay, Phase
from mailsluice.net.connection import Connection
from mailsluice.net.connections import Connections
from mailsluice.net.deadlines import Patience
from mailsluice.net.endpoint import Endpoint
from mailsluice.pop3.deadlines import Deadlines
from pop3.scripted import HOST, ScriptedServer, Wire, server_context
from support.waiting import wait_until


def test_a_connection_that_waits_says_in_which_phase_and_gives_way_from_another_thread(
    authority: trustme.CA, ca_file: Path, connections: Connections
) -> None:
    def take(wire: Wire) -> None:
        wait_until(lambda: any(phase is Phase.AUTH for _, phase, _ in connections.waiting()), "the wait")
        ((connection, _, since),) = connections.waiting()
        connection.give_way(since)
        wire.until_closed()

    with ScriptedServer(take, server_context(authority, HOST)) as server:
        endpoint = Endpoint(HOST, server.port, ca_file)
        connection = Connection.open(
            endpoint, clock=SystemClock(), deadlines=Deadlines(), connections=connections, owner="invoices"
        )
        assert connection.owner == "invoices"
        with pytest.raises(GaveWay, match=f"{endpoint} in phase auth: silent for 0 s, while others"):
            connection.receive(Phase.AUTH, Patience(20))
        assert connections.waiting() == []
        with pytest.raises(GaveWay):
            connection.check(Phase.LISTING)
        connection.close()
