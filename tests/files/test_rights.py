"""What is said to a user who lacks a right."""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsluice.files import rights
from support.users import ANN, NOBODY, acting_as, common_ground, given, need_root


@pytest.fixture
def ground() -> Iterator[Path]:
    need_root()
    with common_ground() as ground:
        yield ground


def remedy(path: Path) -> str:
    with acting_as(NOBODY):
        return rights.remedy(path)


def file_of(path: Path, owner: int, group: int, mode: int) -> Path:
    path.touch()
    os.chown(path, owner, group)
    path.chmod(mode)
    return path


def test_only_a_right_that_is_missing_is_one() -> None:
    assert rights.is_denied(OSError(errno.EACCES, "Permission denied"))
    assert not rights.is_denied(OSError(errno.EPERM, "it is not a regular file"))


def test_it_names_the_user_and_the_file(ground: Path) -> None:
    path = file_of(ground / "file", 0, 0, 0o600)
    assert remedy(path).startswith(f"this runs as the user 'nobody', who may not read {path}: ")


def test_it_names_the_first_directory_on_the_way_that_may_not_be_entered(ground: Path) -> None:
    closed = given(ground / "closed", 0, 0o700)
    given(closed / "further", 0, 0o700)
    assert f"may not read {closed}:" in remedy(closed / "further" / "file")


def test_it_has_the_command_as_the_owner_who_is_the_service_s_user(ground: Path) -> None:
    assert f"runuser -u '#{ANN}'" not in remedy(file_of(ground / "file", ANN, 0, 0o200))
    assert f"setpriv --reuid {ANN} --clear-groups -- " in remedy(file_of(ground / "file", ANN, 0, 0o600))


def test_it_has_the_command_as_the_user_for_whose_group_a_file_of_root_s_is(ground: Path) -> None:
    daemon = pwd.getpwnam("daemon")
    path = file_of(ground / "file", 0, daemon.pw_gid, 0o640)
    assert "(`runuser -u daemon -- " in remedy(path)


def test_nobody_is_told_to_become_root_who_should_not_run_it(ground: Path) -> None:
    assert "`" not in remedy(file_of(ground / "file", 0, 0, 0o600))
