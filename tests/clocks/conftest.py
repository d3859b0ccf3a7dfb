"""The real program against the sandbox, as in e2e, on a wall clock that is set while it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from clocks.wall_clock import WallClock
from e2e.conftest import sandbox, site

__all__ = ["sandbox", "site"]


@pytest.fixture
def wall_clock(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path)
