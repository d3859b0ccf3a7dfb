from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crash.small_disk import small_disk
from mailsluice.errors import LedgerError, system_remedy
from mailsluice.ledger import room
from mailsluice.ledger.ledger import Ledger
from mailsluice.ledger.lock import hold

INDEX = 32 * 1024


def on_disk(path: Path) -> int:
    return path.stat().st_blocks * 512


@pytest.mark.parametrize("begun", [False, True], ids=["new", "old"])
def test_the_index_of_a_ledger_opened_to_write_is_whole_on_disk_though_blocks_are_small(
    tmp_path: Path, begun: bool
) -> None:
    with small_disk(tmp_path, "ext4") as disk:  # of blocks of 1 KiB
        state = disk.path / "state"
        if begun:
            Ledger(state).close()
        with Ledger(state):
            assert on_disk(state / "ledger.db-shm") >= INDEX


OPENER = """
import sys
from pathlib import Path
from mailsluice.errors import LedgerError
from mailsluice.ledger.ledger import Ledger
try:
    Ledger(Path(sys.argv[1])).close()
except LedgerError:
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("begun", [False, True], ids=["new", "old"])
def test_a_process_that_opens_a_ledger_on_a_disk_that_is_almost_full_is_not_killed(
    tmp_path: Path, begun: bool
) -> None:
    with small_disk(tmp_path, "ext4") as disk:
        for kibibytes in range(28, 112, 4):
            disk.relieve()
            state = disk.path / f"state{kibibytes}"
            if begun:
                Ledger(state).close()
            else:
                state.mkdir(mode=0o700)
            disk.fill(leave=kibibytes * 1024)
            ended = subprocess.run([sys.executable, "-c", OPENER, str(state)], check=False)
            assert ended.returncode == 0, f"with {kibibytes} KiB left"


def test_a_ledger_whose_index_finds_no_room_is_not_opened_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(LedgerError, match="No space left") as error:
        Ledger(tmp_path)
    assert error.value.remedy == system_remedy(OSError(errno.ENOSPC, ""))


def test_an_index_that_is_whole_on_disk_needs_no_more_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger(tmp_path):
        monkeypatch.setattr(os, "posix_fallocate", None)  # it is not called
        Ledger(tmp_path).close()


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
