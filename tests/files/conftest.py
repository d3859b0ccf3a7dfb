from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sink.disk import Disk, disk_under


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    with disk_under(monkeypatch, tmp_path) as disk:
        yield disk
