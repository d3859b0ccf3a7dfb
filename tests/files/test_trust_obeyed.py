"""What we obey, judged on real files: who may write it, or put something else in its place."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsluice.files.trust import doubts_of_obeyed, files_of_command, problem_of_obeyed
from support.users import ANN, NOBODY, NOGROUP, acting_as, common_ground, given, need_root


@pytest.fixture
def ground() -> Iterator[Path]:
    need_root()
    with common_ground() as ground:
        yield ground


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of ours, in a directory of its own."""
    path = tmp_path / "etc" / "file"
    path.parent.mkdir(mode=0o755)
    path.touch(mode=0o644)
    return path


def owned(path: Path, owner: int, mode: int = 0o644) -> Path:
    path.touch()
    os.chown(path, owner, NOGROUP)
    path.chmod(mode)
    return path


def doubts(path: Path) -> list[tuple[str, str]]:
    return [(doubt.what, doubt.remedy) for doubt in doubts_of_obeyed(path)]


class TestProblems:
    def test_a_file_of_our_own_has_none(self, file: Path) -> None:
        assert problem_of_obeyed(file) is None

    def test_what_is_missing_has_none(self, tmp_path: Path) -> None:
        assert problem_of_obeyed(tmp_path / "missing" / "file") is None

    @pytest.mark.parametrize("mode", [0o666, 0o646, 0o602])
    def test_a_file_that_everybody_may_write_has_one_with_the_command_that_mends_it(
        self, file: Path, mode: int
    ) -> None:
        file.chmod(mode)
        problem = problem_of_obeyed(file)
        assert problem is not None
        assert problem.what == f"{file} can be written by everybody"
        assert problem.remedy == f"make sure that {file} is as you want it, then: chmod o-w {file}"

    def test_a_file_in_a_directory_that_everybody_may_write_has_one(self, file: Path) -> None:
        file.parent.chmod(0o777)
        problem = problem_of_obeyed(file)
        assert problem is not None
        assert problem.remedy.endswith(f": chmod o-w {file.parent}")

    def test_a_file_of_ours_in_a_sticky_directory_has_none(self, file: Path) -> None:
        file.parent.chmod(0o1777)
        assert problem_of_obeyed(file) is None

    def test_a_directory_to_search_has_one_even_if_it_is_sticky(self, file: Path) -> None:
        file.parent.chmod(0o1777)
        problem = problem_of_obeyed(file.parent)
        assert problem is not None
        assert problem.remedy.endswith(f": chmod o-w {file.parent}")

    def test_a_file_that_a_group_may_write_has_none(self, file: Path) -> None:
        file.chmod(0o664)
        file.parent.chmod(0o2775)
        assert problem_of_obeyed(file) is None

    def test_a_link_is_judged_by_where_it_leads(self, file: Path, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("etc/file")
        assert problem_of_obeyed(tmp_path / "link") is None
        file.parent.chmod(0o777)
        assert problem_of_obeyed(tmp_path / "link") is not None
        file.parent.chmod(0o755)
        file.chmod(0o666)
        assert problem_of_obeyed(tmp_path / "link") is not None

    def test_a_remedy_is_a_command_for_a_shell_whatever_the_name(self, tmp_path: Path) -> None:
        file = tmp_path / "my file"
        file.touch()
        file.chmod(0o666)
        problem = problem_of_obeyed(file)
        assert problem is not None
        assert problem.remedy.endswith(f"chmod o-w '{file}'")


class TestOtherUsers:
    def test_root_obeys_nobody_else(self, ground: Path) -> None:
        file = owned(ground / "mailsluice.toml", ANN, 0o600)
        problem = problem_of_obeyed(file)
        assert problem is not None
        assert problem.what == f"{file} belongs to another user, #{ANN}"
        assert problem.remedy.endswith(f"then: run mailsluice as #{ANN}, or: chown 0 {file}")

    def test_root_does_not_obey_its_own_file_in_the_home_of_another(self, ground: Path) -> None:
        problem = problem_of_obeyed(owned(given(ground / "ann", ANN) / "file", 0))
        assert problem is not None
        assert f"run mailsluice as #{ANN}" in problem.remedy

    @pytest.mark.parametrize("owner", [0, NOBODY])
    def test_a_user_obeys_root_and_itself(self, ground: Path, owner: int) -> None:
        file = owned(given(ground / "etc", owner) / "file", owner, 0o640)
        with acting_as(NOBODY):
            assert problem_of_obeyed(file) is None

    def test_a_user_does_not_obey_another(self, ground: Path) -> None:
        file = owned(ground / "file", ANN)
        with acting_as(NOBODY):
            problem = problem_of_obeyed(file)
        assert problem is not None
        assert problem.remedy.endswith(f"chown {NOBODY} {file}")

    def test_a_link_of_another_user_is_not_followed(self, ground: Path) -> None:
        owned(ground / "file", 0)
        (ground / "link").symlink_to("file")
        os.chown(ground / "link", ANN, -1, follow_symlinks=False)
        assert problem_of_obeyed(ground / "link") is not None


class TestRelativePaths:
    """These begin where we stand: what is above cannot be swapped under us, and may be out of sight."""

    def test_what_lies_above_is_not_looked_at(self, ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        owned(given(given(ground / "root", 0, 0o700) / "conf", 0) / "file", 0)
        monkeypatch.chdir(ground / "root" / "conf")
        with acting_as(NOBODY):
            assert problem_of_obeyed(Path("file")) is None

    def test_the_directory_where_we_stand_is(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(file.parent)
        file.parent.chmod(0o777)
        problem = problem_of_obeyed(Path("file"))
        assert problem is not None
        assert problem.remedy.endswith(f"chmod o-w {file.parent}")

    @pytest.mark.parametrize("path", ["../file", "../below/../file", "../../etc/file"])
    def test_steps_up_are_taken_one_by_one(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        (file.parent / "below").mkdir()
        monkeypatch.chdir(file.parent / "below")
        assert problem_of_obeyed(Path(path)) is None
        file.parent.chmod(0o777)
        assert problem_of_obeyed(Path(path)) is not None


class TestDescriptors:
    """What we were started with, as by `< FILE` and `<(command)`: whoever did that decides anyway."""

    @pytest.fixture
    def handed_over(self, ground: Path) -> Iterator[Path]:
        """A file of another user in our hands."""
        with owned(ground / "file", ANN, 0o666).open() as file:
            yield Path("/dev/fd", str(file.fileno()))

    def test_they_have_no_problem_and_no_doubt(self, handed_over: Path) -> None:
        assert problem_of_obeyed(handed_over) is None
        assert doubts(handed_over) == []

    def test_those_of_another_process_are_judged(
        self, handed_over: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mailsluice.files.trust.os.getpid", lambda: 1)
        assert problem_of_obeyed(handed_over) is not None

    def test_a_pipe_is_one(self) -> None:
        reader, writer = os.pipe()
        try:
            if os.geteuid() == 0:
                os.fchown(reader, ANN, -1)
            assert problem_of_obeyed(Path("/dev/fd", str(reader))) is None
        finally:
            os.close(reader)
            os.close(writer)


class TestDoubts:
    def test_there_are_none_where_the_owner_alone_may_write(self, file: Path) -> None:
        assert doubts(file) == []

    def test_a_file_that_a_group_may_write_is_named_with_the_group(self, ground: Path) -> None:
        file = owned(ground / "file", 0, 0o664)
        assert doubts(file) == [(f"{file} can be written by the group nogroup", f"chmod g-w {file}")]

    def test_a_group_without_a_name_is_called_by_its_number(self, ground: Path) -> None:
        file = owned(ground / "file", 0, 0o664)
        os.chown(file, 0, 54321)
        assert doubts(file)[0][0].endswith("by the group #54321")

    def test_so_is_a_directory_on_the_way(self, file: Path, tmp_path: Path) -> None:
        tmp_path.chmod(0o775)
        assert [remedy for _, remedy in doubts(file)] == [f"chmod g-w {tmp_path}"]

    def test_in_a_sticky_directory_a_group_can_swap_nothing(self, file: Path, tmp_path: Path) -> None:
        tmp_path.chmod(0o1777)
        assert doubts(file) == []

    def test_a_directory_to_search_is_named_even_if_it_is_sticky(self, file: Path) -> None:
        file.parent.chmod(0o1775)
        assert [remedy for _, remedy in doubts(file.parent)] == [f"chmod g-w {file.parent}"]

    def test_of_what_is_missing_the_way_is_looked_at(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o775)
        assert [remedy for _, remedy in doubts(tmp_path / "a" / "b")] == [f"chmod g-w {tmp_path}"]


class TestCommands:
    def test_the_program_decides_and_so_do_the_files_that_arguments_name(self, file: Path) -> None:
        command = (sys.executable, str(file), "--option", "{address}")
        assert list(files_of_command(command)) == [Path(sys.executable), file]

    def test_a_relative_argument_is_taken_from_the_root(self, file: Path) -> None:
        assert list(files_of_command(("/bin/sh", str(file).lstrip("/")))) == [Path("/bin/sh"), file]

    @pytest.mark.parametrize("argument", ["/", "", "a\0b", "x" * 5000, "/dev/null", "/nowhere", "."])
    def test_an_argument_that_names_no_file_decides_nothing(self, argument: str) -> None:
        assert list(files_of_command(("/bin/sh", argument))) == [Path("/bin/sh")]
