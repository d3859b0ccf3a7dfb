from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.ledgers import KEY, LATER, NOW, SINK, STAGED, STORED
from mailsluice.ledger.ledger import Ledger as SqliteLedger
from mailsluice.session.ports import Ledger


@pytest.fixture(params=["sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with SqliteLedger(tmp_path / "state") as ledger:
        yield ledger


@pytest.fixture
def stored(ledger: Ledger) -> Ledger:
    ledger.record(KEY, STAGED, SINK, NOW)
    ledger.commit(KEY, STORED, LATER)
    return ledger
