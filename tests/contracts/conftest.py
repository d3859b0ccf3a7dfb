"""What the contracts are tried on: ledgers, and clients with the servers that they are connected to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts.ledgers import KEY, LATER, NOW, SINK, STAGED, STORED
from contracts.peers import ADDRESS, MAIL, FakePeer, Peer, SandboxPeer
from mailsluice.config.models import Service
from mailsluice.ledger import open_ledger
from mailsluice.session.ports import Client, Failures, Ledger, Lost, Messages
from mailsluice_sandbox import Dialect, Sandbox


@pytest.fixture(params=["sqlite"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Service:
    """The section of a configuration that names the ledger."""
    return Service(state_dir=tmp_path / "state")


@pytest.fixture
def opened(service: Service) -> Callable[[], Ledger]:
    """Opens one and the same ledger, as each process does."""
    return lambda: open_ledger(service)


@pytest.fixture
def ledger(opened: Callable[[], Ledger]) -> Iterator[Ledger]:
    with opened() as ledger:
        yield ledger


@pytest.fixture
def messages(ledger: Ledger) -> Messages:
    return ledger.messages


@pytest.fixture
def failures(ledger: Ledger) -> Failures:
    return ledger.failures


@pytest.fixture
def lost(ledger: Ledger) -> Lost:
    return ledger.lost


@pytest.fixture
def stored(messages: Messages) -> Messages:
    messages.record(KEY, STAGED, SINK, NOW)
    messages.commit(KEY, STORED, LATER)
    return messages


@pytest.fixture(params=["exchange", "pipelining", "fake"])
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    if request.param == "fake":
        yield FakePeer()
        return
    with Sandbox(dialect=Dialect(pipelining=request.param == "pipelining")) as sandbox:
        yield SandboxPeer(sandbox)


@pytest.fixture
def uidls(peer: Peer) -> list[bytes]:
    return [peer.deliver(octets) for octets in MAIL]


@pytest.fixture
def greeted(peer: Peer) -> Iterator[Client]:
    with peer.connect(peer.mailbox()) as client:
        yield client


@pytest.fixture
def client(peer: Peer, uidls: list[bytes], greeted: Client) -> Client:
    """Logged in, with three messages."""
    greeted.authenticate(ADDRESS, peer.login)
    return greeted
