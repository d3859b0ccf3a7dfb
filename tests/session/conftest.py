from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsluice.ledger.ledger import Ledger
from session.fakes import HandClock
from session.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = HandClock()
    with Ledger(tmp_path / "state", clock=clock) as ledger:
        yield World(tmp_path, ledger, clock)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two messages are a batch."""
    monkeypatch.setattr("mailsluice.session.batch.FIRST", 2)
    monkeypatch.setattr("mailsluice.session.batch.MESSAGES", 2)
