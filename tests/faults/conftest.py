from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crash.world import Nursery
from faults.fault import SHIM
from mailsluice_sandbox import Sandbox
from support.shared_library import shared_library

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_library(HERE / "failing.c", tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="session")
def nursery(shim: Path) -> Iterator[Nursery]:
    variables = {"LD_PRELOAD": str(shim), SHIM: str(shim)}
    with Nursery(HERE / "victim.py", **variables) as nursery:
        yield nursery


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox
