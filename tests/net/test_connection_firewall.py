"""The way to the mail server through a firewall that drops, refuses, or leads nowhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailsluice.clock import SystemClock
from mailsluice.errors import Obstacle, ServerUnreachable
from mailsluice.net.connection import Connection
from mailsluice.net.connections import Connections
from mailsluice.net.endpoint import Endpoint
from mailsluice.net.proxy import Proxy
from mailsluice.pop3.deadlines import Deadlines
from support.firewall import DROPS, NO_WAY, REFUSES

pytestmark = pytest.mark.usefixtures("behind_a_firewall")
CONNECT = 0.5


def failure(endpoint: Endpoint, connections: Connections) -> ServerUnreachable:
    deadlines = replace(Deadlines(), connect=CONNECT)
    with pytest.raises(ServerUnreachable) as unreachable:
        Connection.open(endpoint, clock=SystemClock(), deadlines=deadlines, connections=connections)
    return unreachable.value


def test_a_mail_host_whose_packets_are_dropped_costs_the_deadline(connections: Connections) -> None:
    begun = SystemClock().monotonic()
    error = failure(Endpoint(DROPS, 995), connections)
    assert error.obstacle is Obstacle.DROPPED
    assert str(error) == f"cannot connect to {DROPS}:995: no answer"
    assert CONNECT <= SystemClock().monotonic() - begun < 5


@pytest.mark.parametrize(
    ("host", "obstacle"),
    [(REFUSES, Obstacle.REFUSED), (NO_WAY, Obstacle.NO_ROUTE)],
    ids=["refused", "no way"],
)
def test_a_mail_host_that_the_firewall_refuses_costs_nothing(
    connections: Connections, host: str, obstacle: Obstacle
) -> None:
    begun = SystemClock().monotonic()
    assert failure(Endpoint(host, 995), connections).obstacle is obstacle
    assert SystemClock().monotonic() - begun < CONNECT


@pytest.mark.parametrize("host", [DROPS, REFUSES])
def test_behind_a_proxy_it_is_the_proxy_that_cannot_be_reached(connections: Connections, host: str) -> None:
    route = Proxy(host, 8080, "service.proxy", "")
    assert failure(Endpoint("pop.acme.example", 995, route=route), connections).obstacle is Obstacle.PROXY
