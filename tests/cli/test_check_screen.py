"""What a terminal shows while a check goes on."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from auth.hand_clock import HandClock
from mailsluice.checking.steps import Line, State, Step
from mailsluice.cli.check_screen import Screen, live
from mailsluice.cli.check_text import Lines
from mailsluice.config.load import load
from mailsluice_sandbox import Sandbox
from support.checks import configured
from support.terminal import run_on_terminal


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        sandbox.mailbox("a@acme.example")
        yield sandbox


@pytest.fixture
def path(sandbox: Sandbox, tmp_path: Path) -> Path:
    return configured(tmp_path, sandbox, "a")


@pytest.fixture
def lines(path: Path) -> Lines:
    config = load(path)
    return Lines(config, list(config.mailboxes.values()))


def terminal(width: int = 100, **settings: object) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, **settings)  # type: ignore[arg-type]


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def drawn(screen: Screen) -> list[str]:
    console = terminal(no_color=True)
    console.print(screen.drawn(), end="")
    return printed(console).splitlines()


def test_a_step_that_goes_on_has_its_seconds_and_they_move(lines: Lines) -> None:
    clock = HandClock()
    screen = Screen(lines, terminal(), clock.monotonic)
    screen.began("a", Step.AUTH)
    seen = set()
    for _ in range(5):
        clock.seconds += 1
        seen.update(drawn(screen))
    assert len(seen) == 5
    assert any("5.0 s" in line for line in seen)


def test_a_step_that_has_ended_is_printed_for_good(lines: Lines) -> None:
    console = terminal()
    screen = Screen(lines, console, HandClock().monotonic)
    screen.began("a", Step.AUTH)
    screen.ended(Line("a", Step.AUTH, State.OK, 0.5, "let in"))
    assert drawn(screen) == []
    assert "let in" in printed(console)


def test_two_of_the_same_name_are_shown_until_both_have_ended(lines: Lines) -> None:
    clock = HandClock()
    screen = Screen(lines, terminal(), clock.monotonic)
    screen.began("host:995", Step.TCP)
    clock.seconds += 3
    screen.began("host:995", Step.TCP)
    clock.seconds += 2
    screen.ended(Line("host:995", Step.TCP, State.OK, 2.0, ""))

    (line,) = drawn(screen)
    assert " 5.0 s" in line


def test_of_many_steps_the_first_are_shown_and_the_others_counted(lines: Lines) -> None:
    screen = Screen(lines, terminal(), HandClock().monotonic)
    for number in range(8):
        screen.began(f"m{number}", Step.AUTH)
    assert len(drawn(screen)) == 6
    assert "and 3 more" in drawn(screen)[-1]


@pytest.mark.parametrize("no_color", [True, False])
def test_colours_are_left_out_if_they_are_not_wanted(lines: Lines, *, no_color: bool) -> None:
    console = terminal(no_color=no_color, color_system="standard")
    Screen(lines, console).ended(Line("a", Step.AUTH, State.FAILED, 0.5, "no"))
    assert ("\x1b[31m" in printed(console)) is not no_color


def test_a_narrow_terminal_gets_the_whole_line(lines: Lines) -> None:
    console = terminal(width=20, no_color=True)
    Screen(lines, console).ended(Line("a", Step.AUTH, State.FAILED, 0.5, "word " * 30))
    assert printed(console).count("word") == 30


def test_a_dumb_terminal_gets_the_lines_without_escapes(
    lines: Lines, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with live(lines, on_error_stream=False) as screen:
        screen.began("a", Step.AUTH)
        screen.ended(Line("a", Step.AUTH, State.FAILED, 0.5, "no"))
    assert "\x1b" not in capsys.readouterr().out


def test_a_check_on_a_terminal_ends_with_lines_and_no_rest_of_the_screen(path: Path) -> None:
    shown = run_on_terminal("-c", path, "check")
    assert "a@acme.example is let in" in shown
    assert shown.rstrip().endswith("a: everything works. Nothing was fetched or changed.")
