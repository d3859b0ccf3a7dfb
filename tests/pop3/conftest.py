from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from mailsluice.clock import SystemClock
from mailsluice.model import Password
from mailsluice.net.connections import Connections
from mailsluice.pop3.client import Client, connect
from mailsluice.pop3.deadlines import Deadlines
from pop3.scripted import HOST, Cut, Script, ScriptedServer, Wire, mailbox, server_context
from support.fixtures import authority, ca_file, connections, hand_clock

__all__ = ["authority", "ca_file", "connections", "hand_clock"]


def _octets(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def _at_random(data: bytes) -> list[bytes]:
    places = sorted(random.choices(range(len(data) + 1), k=4))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


@pytest.fixture(
    scope="session", params=[lambda data: [data], _octets, _at_random], ids=["whole", "octets", "random"]
)
def cut(request: pytest.FixtureRequest) -> Cut:
    """The ways in which octets may arrive: every case of the core has to bear all."""
    chosen: Cut = request.param
    return chosen


@pytest.fixture
def connected(
    authority: trustme.CA, ca_file: Path, connections: Connections
) -> Iterator[Callable[..., Client]]:
    """Connect to a server that follows the script; deadlines may be named."""
    with ExitStack() as stack:

        def connect_to(script: Script, **deadlines: Any) -> Client:
            server = stack.enter_context(ScriptedServer(script, server_context(authority, HOST)))
            client = connect(
                mailbox(server.port, ca_file),
                clock=SystemClock(),
                connections=connections,
                deadlines=replace(Deadlines(), **deadlines),
            )
            return stack.enter_context(client)

        yield connect_to


@pytest.fixture
def logged_in(connected: Callable[..., Client]) -> Callable[..., Client]:
    """Connect, log in, and ask what the server can do; the script goes on from there."""

    def connect_to(script: Script, *capabilities: str, **deadlines: Any) -> Client:
        def whole(wire: Wire) -> None:
            wire.log_in(*capabilities)
            script(wire)

        client = connected(whole, **deadlines)
        client.authenticate("a@x.example", Password("canary-password"))
        client.capabilities()
        return client

    return connect_to
