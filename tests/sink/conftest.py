from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsluice.sink.hold import Hold
from sink.disk import Disk, disk_under
from support.sinks import Sink, held, sink_of


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    with disk_under(monkeypatch, tmp_path) as disk:
        yield disk


@pytest.fixture
def spool(tmp_path: Path) -> Sink:
    return sink_of("spool", tmp_path / "spool", mode=0o640)


@pytest.fixture
def maildir(tmp_path: Path) -> Sink:
    return sink_of("maildir", tmp_path / "maildir")


@pytest.fixture(params=["spool", "maildir"])
def sink(request: pytest.FixtureRequest) -> Sink:
    found: Sink = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def staging(sink: Sink) -> Iterator[Hold]:
    """Either kind, taken."""
    with held(sink) as staging:
        yield staging


@pytest.fixture
def spooling(spool: Sink) -> Iterator[Hold]:
    with held(spool) as staging:
        yield staging


@pytest.fixture
def sorting(maildir: Sink) -> Iterator[Hold]:
    with held(maildir) as staging:
        yield staging
