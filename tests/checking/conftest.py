from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from checking.knock import Doors
from mailsluice.net.connections import Connections
from support.fixtures import authority, bare_environment, ca_file, clock, connections, endpoint
from support.users import NOBODY, common_ground, given, need_root

__all__ = ["authority", "bare_environment", "ca_file", "clock", "connections", "endpoint"]


@pytest.fixture
def doors(
    authority: trustme.CA, ca_file: Path, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> Doors:
    return Doors(authority, ca_file, connections, monkeypatch)


@pytest.fixture
def ground() -> Iterator[Path]:
    """A place that every user can enter, in which a state directory belongs to nobody."""
    need_root()
    with common_ground() as ground:
        given(ground / "state", NOBODY, 0o700)
        yield ground


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"
