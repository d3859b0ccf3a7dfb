from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crash.world import Nursery, World
from mailsluice_sandbox import Sandbox

NewWorld = Callable[..., World]


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(params=["spool", "maildir"])
def sink(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def world(tmp_path: Path, sandbox: Sandbox, nursery: Nursery, sink: str) -> World:
    """Three messages wait; each is deleted once it is stored."""
    return World(tmp_path, sandbox, nursery, sink=sink, leave="false")


@pytest.fixture(params=["false", "true", '"30d"'], ids=["delete", "keep", "keep-30-days"])
def any_world(
    request: pytest.FixtureRequest, tmp_path: Path, sandbox: Sandbox, nursery: Nursery, sink: str
) -> World:
    """Three messages wait; what becomes of them on the server is up to the mailbox."""
    return World(tmp_path, sandbox, nursery, sink=sink, leave=request.param)


@pytest.fixture
def aging_world(tmp_path: Path, sandbox: Sandbox, nursery: Nursery, sink: str) -> World:
    """Three messages wait; each is deleted 30 days after it was stored."""
    return World(tmp_path, sandbox, nursery, sink=sink, leave='"30d"')
