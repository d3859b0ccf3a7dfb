"""How commands of ours are spelled, for whoever reads a message."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

import pytest

from mailsluice import invocation
from support.users import ANN, NOBODY

PERSON = 1000
SHELLS = {0: "/bin/bash", PERSON: "/bin/bash", NOBODY: "/usr/sbin/nologin"}
NAMES = {0: "root", PERSON: "ann", NOBODY: "nobody"}


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program, in a directory that PATH does not have."""
    path = tmp_path / "bin" / "mailsluice"
    path.parent.mkdir()
    path.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(path.with_name("python")))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return path


@pytest.fixture(autouse=True)
def _accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    def account(uid: int) -> pwd.struct_passwd:
        return pwd.struct_passwd((NAMES[uid], "x", uid, uid, "", "/", SHELLS[uid]))

    monkeypatch.setattr(pwd, "getpwuid", account)


def called_by(uid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)


@pytest.fixture(params=[0, PERSON])
def _somebody(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    called_by(request.param, monkeypatch)


@pytest.mark.usefixtures("_somebody")
class TestCommand:
    def test_the_program_is_named_by_its_path_where_the_search_path_does_not_have_it(
        self, program: Path
    ) -> None:
        assert invocation.command("secret", "list") == f"{program} secret list"

    def test_the_program_is_named_bare_where_the_search_path_has_it(
        self, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "path").mkdir()
        (tmp_path / "path" / "mailsluice").symlink_to(program)
        monkeypatch.setenv("PATH", f"/bin:{tmp_path}/path")
        assert invocation.command("secret", "list") == "mailsluice secret list"

    def test_another_program_of_the_name_on_the_search_path_is_not_ours(
        self, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "mailsluice").touch(mode=0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}")
        assert invocation.command("status") == f"{program} status"

    def test_a_search_path_that_is_relative_finds_it_from_here_alone(
        self, program: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(program.parent)
        monkeypatch.setenv("PATH", ".")
        assert invocation.command("status") == f"{program} status"

    def test_where_no_script_is_installed_the_interpreter_runs_the_package(self, program: Path) -> None:
        program.unlink()
        assert invocation.command("status") == f"{sys.executable} -m mailsluice status"

    def test_a_configuration_file_is_named_by_its_absolute_path(
        self, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        invocation.note_file(Path("my.toml"))
        assert invocation.command("status") == f"{program} -c {tmp_path}/my.toml status"

    def test_no_file_is_named_that_is_found_anyway(self, program: Path) -> None:
        invocation.note_file(None)
        assert invocation.command("status") == f"{program} status"

    def test_a_shell_reads_each_word_as_it_is(self, program: Path) -> None:
        invocation.note_file(Path("/a b/it's.toml"))
        assert invocation.command("x;y") == f"{program} -c '/a b/it'\"'\"'s.toml' 'x;y'"


def test_a_working_directory_that_has_gone_spoils_no_message(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    called_by(0, monkeypatch)
    invocation.note_file(Path("my.toml"))
    assert invocation.command("status") == f"{program} -c my.toml status"


def test_a_service_whose_user_nobody_logs_in_as_spells_commands_for_root(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called_by(NOBODY, monkeypatch)
    assert invocation.command("status") == f"runuser -u nobody -- {program} status"


def test_a_user_of_no_name_is_taken_for_a_person(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called_by(ANN, monkeypatch)
    assert invocation.command("status") == f"{program} status"


@pytest.mark.parametrize(
    ("caller", "owner", "prefix"),
    [
        (0, NOBODY, "runuser -u nobody --"),
        (0, ANN, f"setpriv --reuid {ANN} --clear-groups --"),
        (PERSON, NOBODY, "sudo -u nobody --"),
        (PERSON, ANN, f"sudo -u '#{ANN}' --"),
        (NOBODY, PERSON, "runuser -u ann --"),
    ],
)
def test_what_was_called_is_spelled_as_it_is_to_be_called_by_another_user(
    program: Path, monkeypatch: pytest.MonkeyPatch, caller: int, owner: int, prefix: str
) -> None:
    called_by(caller, monkeypatch)
    invocation.note_file(Path("/etc/my.toml"))
    invocation.note_arguments(["poll", "in voices", "--json"])
    assert invocation.again_as(owner) == f"{prefix} {program} -c /etc/my.toml poll 'in voices' --json"
