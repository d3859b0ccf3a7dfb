"""What is advised about a lock that is not ours alone: it helps, and takes no lock away."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsluice.errors import LedgerError
from mailsluice.ledger.lock import ServiceLock
from support.plants import plant
from support.users import ANN, need_root

LOCK = "service.lock"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "state dir"
    ServiceLock.take(path).release()
    return path


@pytest.fixture(params=["locks", f"locks/{LOCK}"])
def place(request: pytest.FixtureRequest, state: Path) -> Path:
    return state / str(request.param)


def remedy(state: Path) -> str:
    with pytest.raises(LedgerError) as error:
        ServiceLock.take(state)
    return error.value.remedy


def command(remedy: str) -> list[str]:
    """The command of a remedy, which is in backticks if it is not the whole."""
    return shlex.split(remedy.split("`")[1] if "`" in remedy else remedy)


def obey(remedy: str) -> None:
    subprocess.run(command(remedy), check=True)


@pytest.fixture
def _the_same_lock_in_the_end(state: Path) -> Iterator[None]:
    before = (state / "locks" / LOCK).stat().st_ino
    yield
    ServiceLock.take(state).release()
    assert (state / "locks" / LOCK).stat().st_ino == before


@pytest.mark.usefixtures("_the_same_lock_in_the_end")
class TestOfALock:
    def test_that_others_can_write_is_to_take_that_right_away(self, state: Path, place: Path) -> None:
        place.chmod(0o777)
        obey(remedy(state))

    def test_that_is_another_user_s_is_to_make_it_ours(self, state: Path, place: Path) -> None:
        need_root()
        os.chown(place, ANN, -1)
        obey(remedy(state))

    def test_that_has_another_name_is_to_find_that_name(self, state: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.hardlink_to(state / "locks" / LOCK)
        find, root, *rest = command(remedy(state))
        assert (find, root) == ("find", "/")
        found = subprocess.run([find, tmp_path, *rest], check=True, capture_output=True, text=True).stdout
        assert set(found.splitlines()) == {str(other), str(state / "locks" / LOCK)}
        other.unlink()


@pytest.mark.parametrize("what", ["link", "dangling", "fifo", "socket", "directory"])
def test_what_was_never_a_lock_is_to_be_moved_away(
    state: Path, place: Path, tmp_path: Path, what: str
) -> None:
    if what == "directory" and place.name == "locks":
        return  # it is one
    place.rename(tmp_path / "away")
    plant(what, place, tmp_path / "victim")

    obey(remedy(state))

    ServiceLock.take(state).release()
    assert os.path.lexists(f"{place}.planted")
