from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsluice.ledger.ledger import Ledger


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def ledger(state_dir: Path) -> Iterator[Ledger]:
    with Ledger(state_dir) as ledger:
        yield ledger
