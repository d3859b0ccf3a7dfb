from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsluice.sink.maildir import Maildir
from mailsluice.sink.spool import Spool
from sink.disk import Disk, disk_under


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    with disk_under(monkeypatch, tmp_path) as disk:
        yield disk


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", mailbox="invoices", address="a@b.example", owner="owner", mode=0o640)


@pytest.fixture
def maildir(tmp_path: Path) -> Maildir:
    return Maildir(tmp_path / "maildir", owner="owner", mode=0o600)


@pytest.fixture(params=["spool", "maildir"])
def sink(request: pytest.FixtureRequest) -> Spool | Maildir:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Spool | Maildir)
    return found
