"""The program that prints a token: which is not run, and what it finds when it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from auth.sources.printed import command_token
from mailsluice.errors import TokenRefused
from support.users import ANN, acting_as, common_ground, given, need_root

ADDRESS = "a@b.example"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program of ours that prints a token, and leaves a trace of having run."""
    path = tmp_path / "bin" / "token"
    path.parent.mkdir(mode=0o755)
    path.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\necho canary-token\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def ground() -> Iterator[Path]:
    need_root()
    with common_ground() as ground:
        yield ground


def printed(*command: object, variables: tuple[str, ...] = ()) -> str:
    return command_token([str(word) for word in command], ADDRESS, variables=variables)


def refused(*command: object) -> TokenRefused:
    with pytest.raises(TokenRefused, match=f"the token command {command[0]} is not run, because ") as caught:
        printed(*command)
    return caught.value


def test_a_program_that_everybody_may_write_is_not_run(program: Path, tmp_path: Path) -> None:
    program.chmod(0o757)
    error = refused(program)
    assert f"{program} can be written by everybody" in str(error)
    assert error.remedy.endswith(f"chmod o-w {program}")
    assert not (tmp_path / "ran").exists()


def test_a_program_that_everybody_may_exchange_is_not_run(program: Path) -> None:
    program.parent.chmod(0o777)
    assert refused(program).remedy.endswith(f"chmod o-w {program.parent}")


def test_a_program_is_judged_each_time(program: Path) -> None:
    assert printed(program) == "canary-token"
    program.chmod(0o757)
    refused(program)
    program.chmod(0o755)
    assert printed(program) == "canary-token"


def test_a_link_is_judged_by_where_it_leads(program: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(program)
    assert printed(tmp_path / "link") == "canary-token"
    program.chmod(0o757)
    refused(tmp_path / "link")


def test_a_script_that_an_interpreter_is_given_is_judged_too(program: Path) -> None:
    assert printed("/bin/sh", program) == "canary-token"
    program.chmod(0o757)
    refused("/bin/sh", program)


def test_an_argument_is_judged_as_the_program_gets_it(program: Path) -> None:
    named = program.with_name(f"token-{ADDRESS}")
    program.rename(named)
    assert printed("/bin/sh", program.with_name("token-{address}")) == "canary-token"
    named.chmod(0o757)
    refused("/bin/sh", program.with_name("token-{address}"))


def test_a_program_that_a_group_may_write_is_run(program: Path) -> None:
    program.chmod(0o775)
    assert printed(program) == "canary-token"


def test_root_does_not_run_the_program_of_another_user(ground: Path) -> None:
    program = ground / "token"
    program.write_text("#!/bin/sh\necho canary-token\n")
    program.chmod(0o755)
    os.chown(program, ANN, -1)
    assert "belongs to another user" in str(refused(program))


def test_a_user_runs_its_own_program_and_root_s(ground: Path) -> None:
    program = given(ground / "ann", ANN) / "token"
    program.write_text("#!/bin/sh\necho canary-token\n")
    program.chmod(0o755)
    for owner in (0, ANN):
        os.chown(program, owner, -1)
        with acting_as(ANN):
            assert printed(program) == "canary-token"


def test_its_environment_has_a_path_of_its_own_and_the_variables_that_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("PROXY", "http://proxy")
    monkeypatch.setenv("OLD_PASSWORD", "canary-password")
    monkeypatch.setenv("PATH", f"/tmp/evil:{os.environ['PATH']}")
    monkeypatch.delenv("LANG", raising=False)
    shown = printed(
        "/bin/sh", "-c", "unset PWD; env | LC_ALL=C sort | tr '\\n' ';'", variables=("HOME", "LANG", "PROXY")
    )
    assert shown == (
        "HOME=/home/ann;PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin;PROXY=http://proxy;"
    )


def test_it_is_given_our_path_if_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/opt/bin:/bin")
    assert printed("/bin/sh", "-c", "echo $PATH", variables=("PATH",)) == "/opt/bin:/bin"


def test_it_is_started_in_the_root_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert printed("/bin/sh", "-c", "pwd") == "/"
