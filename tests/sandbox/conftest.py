from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailsluice_sandbox import Sandbox
from sandbox.raw_client import ADDRESS, HandClock, RawClient


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def sandbox(clock: HandClock) -> Iterator[Sandbox]:
    with Sandbox(clock=clock) as sandbox:
        sandbox.mailbox(ADDRESS)
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[RawClient]:
    """Connected, nothing read yet."""
    with RawClient(sandbox) as client:
        yield client


@pytest.fixture
def session(client: RawClient) -> RawClient:
    """Logged in to an empty mailbox."""
    assert client.log_in(ADDRESS) == b"+OK User successfully authenticated.\r\n"
    return client
