"""What the contracts are tried on: ledgers, and clients with the servers that they are connected to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.ledgers import KEY, LATER, NOW, SINK, STAGED, STORED
from contracts.peers import ADDRESS, MAIL, FakePeer, Peer, SandboxPeer
from mailsluice.ledger.ledger import Ledger as SqliteLedger
from mailsluice.session.ports import Client, Ledger
from mailsluice_sandbox import Dialect, Sandbox


@pytest.fixture(params=["sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with SqliteLedger(tmp_path / "state") as ledger:
        yield ledger


@pytest.fixture
def stored(ledger: Ledger) -> Ledger:
    ledger.record(KEY, STAGED, SINK, NOW)
    ledger.commit(KEY, STORED, LATER)
    return ledger


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
