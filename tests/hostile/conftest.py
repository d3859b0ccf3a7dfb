from __future__ import annotations

from collections.abc import Iterator

import pytest

from hostile.world import World


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with World() as world:
        yield world
