"""Whether this user can use the state directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailsluice.checking.sinks import look_at_state_dir
from mailsluice.errors import LedgerError
from support.users import ANN, given, unprivileged


def test_a_state_directory_of_ours_can_be_used(state_dir: Path) -> None:
    assert not look_at_state_dir(state_dir / "below")
    assert not state_dir.exists()
    state_dir.mkdir(mode=0o700)

    assert look_at_state_dir(state_dir)


def test_a_state_directory_of_another_user_is_refused_with_the_words_of_a_poll(ground: Path) -> None:
    given(ground / "anns", ANN, 0o755)
    with unprivileged(), pytest.raises(LedgerError, match="belongs to another user") as error:
        look_at_state_dir(ground / "anns")

    assert error.value.remedy.startswith("run the command as that user:")


def test_a_state_directory_that_cannot_be_made_is_refused(ground: Path) -> None:
    with unprivileged(), pytest.raises(LedgerError, match=f"may not write in {ground}$"):
        look_at_state_dir(ground / "new" / "state")


def test_a_state_directory_that_others_can_write_is_refused(state_dir: Path) -> None:
    state_dir.mkdir()
    state_dir.chmod(0o777)
    with pytest.raises(LedgerError, match="can be written by others"):
        look_at_state_dir(state_dir)


def test_a_file_in_the_place_of_the_state_directory_is_refused(state_dir: Path) -> None:
    state_dir.write_text("")
    with pytest.raises(LedgerError):
        look_at_state_dir(state_dir)
