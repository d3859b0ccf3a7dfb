"""The way to the identity provider through a firewall that drops, refuses, or leads nowhere."""

from __future__ import annotations

import pytest

from auth.sources.asking import secret_source
from auth.token_endpoint import SECRET
from mailsluice.clock import SystemClock
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import Obstacle, TokenUnavailable
from mailsluice.net.https import ProviderHttp
from support.firewall import DROPS, NO_WAY, REFUSES

pytestmark = pytest.mark.usefixtures("behind_a_firewall")
CLOCK = SystemClock()
DEADLINE = 0.5


def failure(host: str) -> TokenUnavailable:
    credential = EntraCredential.model_validate(
        {
            "tenant_id": "contoso",
            "client_id": "app",
            "client_secret": "keyring:acme",
            "authority": f"https://{host}/contoso",
        }
    )
    source = secret_source(credential, lambda: SECRET, CLOCK, lambda: ProviderHttp(None, CLOCK, DEADLINE))
    with pytest.raises(TokenUnavailable) as unavailable:
        source.ask()
    return unavailable.value


def test_a_login_host_whose_packets_are_dropped_costs_the_deadline() -> None:
    begun = CLOCK.monotonic()
    error = failure(DROPS)
    assert error.obstacle is Obstacle.DROPPED
    assert "it did not answer in time" in str(error)
    assert DEADLINE <= CLOCK.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("host", "obstacle"),
    [(REFUSES, Obstacle.REFUSED), (NO_WAY, Obstacle.NO_ROUTE)],
    ids=["refused", "no way"],
)
def test_a_login_host_that_the_firewall_refuses_costs_nothing(host: str, obstacle: Obstacle) -> None:
    begun = CLOCK.monotonic()
    assert failure(host).obstacle is obstacle
    assert CLOCK.monotonic() - begun < DEADLINE
