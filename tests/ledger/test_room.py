from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mailsluice.errors import LedgerError, system_remedy
from mailsluice.ledger import room
from mailsluice.ledger.ledger import Ledger
from mailsluice.ledger.lock import hold

INDEX = 32 * 1024


def on_disk(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_an_open_index_with_holes_has_all_its_place_on_disk_afterwards(tmp_path: Path) -> None:
    index = tmp_path / "index"
    with index.open("wb") as file:
        file.truncate(INDEX)
        assert on_disk(index) == 0
        room.reserve(index)
    assert on_disk(index) == INDEX


def test_an_index_that_nobody_here_has_open_is_left_alone(tmp_path: Path) -> None:
    index = tmp_path / "index"
    index.touch()
    os.truncate(index, INDEX)
    room.reserve(index)
    assert on_disk(index) == 0


def test_the_index_of_an_open_ledger_is_whole_on_disk(tmp_path: Path) -> None:
    with Ledger(tmp_path):
        assert on_disk(tmp_path / "ledger.db-shm") >= INDEX


def test_a_ledger_whose_index_finds_no_room_is_not_opened_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(LedgerError, match="No space left") as error:
        Ledger(tmp_path)
    assert error.value.remedy == system_remedy(OSError(errno.ENOSPC, ""))


def test_looking_for_room_leaves_nothing_behind(tmp_path: Path) -> None:
    room.look_for(tmp_path / "index")
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_cannot_tell_is_left_to_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", unable)
    Ledger(tmp_path).close()


def test_a_lock_that_finds_no_room_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(LedgerError) as error, hold(tmp_path / "locks" / "x.lock", "a@acme.example"):
        pass
    monkeypatch.undo()
    assert error.value.remedy == system_remedy(OSError(errno.ENOSPC, ""))
