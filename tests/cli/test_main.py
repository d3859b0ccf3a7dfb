from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from mailsluice import __version__
from mailsluice.cli import main as door
from mailsluice.cli.main import COMMANDS, Settings, main
from mailsluice.errors import ConfigurationError, SinkError, TokenUnavailable
from support.program import PROGRAM, run_program
from support.secrecy import leaks

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJjYW5hcnkifQ.c2lnbmF0dXJl"


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Let every command be one that does this."""

    def replace(action: Callable[[], None]) -> None:
        module = type("module", (), {"command": click.Command("command", callback=action)})
        monkeypatch.setattr(door, "import_module", lambda _name: module)

    return replace


def raising(error: BaseException) -> Callable[[], None]:
    def action() -> None:
        raise error

    return action


class TestExitCodes:
    def test_all_well(self, command: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
        command(lambda: click.echo("done"))
        assert main(["run"]) == 0
        assert capsys.readouterr() == ("done\n", "")

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["--nonsense"],
            ["nonsense"],
            ["-c"],
            ["config", "nonsense"],
            ["config"],
            ["config", "check", "x"],
        ],
    )
    def test_wrong_usage(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert main(arguments) == 64
        out, err = capsys.readouterr()
        assert out == ""
        assert "Usage:" in err or "Error:" in err

    def test_wrong_usage_that_a_command_finds(
        self, command: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        command(raising(click.UsageError("no mailbox of this name")))
        assert main(["poll"]) == 64
        assert "no mailbox of this name" in capsys.readouterr().err

    def test_an_error_shows_message_and_remedy_and_ends_with_its_code(
        self, command: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        command(raising(SinkError("/spool: no space left", remedy="Make room.")))
        assert main(["poll"]) == 73
        assert capsys.readouterr() == ("", "/spool: no space left\nMake room.\n")

    def test_a_wrong_configuration_shows_a_line_for_each_mistake(
        self, command: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        command(raising(ConfigurationError(["f: a: wrong", "f: b: wrong"])))
        assert main(["run"]) == 78
        assert capsys.readouterr().err == "f: a: wrong\nf: b: wrong\n"

    def test_what_a_command_exits_with(self, command: Callable[..., None]) -> None:
        command(raising(click.exceptions.Exit(75)))
        assert main(["poll"]) == 75
        command(raising(SystemExit(77)))
        with pytest.raises(SystemExit, match="77"):
            main(["poll"])

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
    def test_an_interrupt(self, command: Callable[..., None], error: BaseException) -> None:
        command(raising(error))
        assert main(["poll"]) == 130

    def test_a_bug_shows_its_traceback_without_secrets(
        self, command: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        def action() -> None:
            secret = "canary"
            raise RuntimeError(f"\x1b[31m{JWT}" + secret[:0])

        command(action)
        assert main(["poll"]) == 70
        err = capsys.readouterr().err
        assert f"This is a bug in mailsluice {__version__}" in err
        assert r"RuntimeError: \x1b[31m[redacted]" in err
        assert leaks(err) == []

    def test_what_an_error_says_is_shown_without_secrets_and_escapes(
        self, command: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        command(raising(TokenUnavailable(f"\x1b[2J {JWT}")))
        assert main(["poll"]) == 75
        assert capsys.readouterr().err == "\\x1b[2J [redacted]\n"


class TestHelp:
    def test_it_lists_every_command(self) -> None:
        ended = run_program("--help")
        assert ended.code == 0
        assert all(f"\n  {name} " in ended.stdout for name in COMMANDS)

    @pytest.mark.parametrize("name", COMMANDS)
    def test_every_command_has_its_own(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([name, "--help"]) == 0
        assert f"Usage: mailsluice {name} " in capsys.readouterr().out

    def test_the_version_is_that_of_the_package(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--version"]) == 0
        assert capsys.readouterr().out == f"mailsluice, version {__version__}\n"


class TestSettings:
    def test_they_load_the_file_given(self, tmp_path: Path) -> None:
        path = tmp_path / "m.toml"
        path.write_text("[service]\nmax_sessions = 3")
        assert Settings(path).path == path
        assert Settings(path).config().service.max_sessions == 3

    def test_they_load_it_anew_each_time_for_a_reload(self, tmp_path: Path) -> None:
        path = tmp_path / "m.toml"
        path.write_text("[service]\nmax_sessions = 3")
        settings = Settings(path)
        settings.config()
        path.write_text("[service]\nmax_sessions = 4")
        assert settings.config().service.max_sessions == 4


@pytest.mark.parametrize("arguments", [["config", "schema"], ["--help"]])
def test_an_output_that_is_full_is_no_bug(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (ended.returncode, ended.stderr) == (
        74,
        "the output cannot be written: [Errno 28] No space left on device\n",
    )


def test_a_reader_that_leaves_early_is_no_error() -> None:
    with subprocess.Popen(
        [PROGRAM, "config", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        program.stdout.close()
        assert program.stderr is not None
        assert program.stderr.read() == ""
    assert program.returncode == 0
