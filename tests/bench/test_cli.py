"""Which runs of the benchmark's command leave their figures where."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import ROOT, cli
from benchmarks.cli import main
from support.waiting import wait_until


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cli, "run_fetch", lambda *_: [])
    monkeypatch.setattr(cli, "LAST_RUN", tmp_path / "figures.json")
    return tmp_path / "figures.json"


def test_a_whole_run_is_what_the_picture_is_drawn_from(kept: Path) -> None:
    assert CliRunner().invoke(main, ["fetch"]).exit_code == 0
    assert kept.exists()


@pytest.mark.parametrize(
    "part", [["--quick"], ["--only", "small"], ["--tools", "mpop"], ["--rounds", "1"], ["--disk", "/"]]
)
def test_a_part_of_it_is_not(kept: Path, part: list[str]) -> None:
    assert CliRunner().invoke(main, ["fetch", *part]).exit_code == 0
    assert not kept.exists()


def test_a_part_is_kept_where_somebody_says_so(kept: Path, tmp_path: Path) -> None:
    CliRunner().invoke(main, ["fetch", "--quick", "--json", str(tmp_path / "part.json")])
    assert (tmp_path / "part.json").exists()
    assert not kept.exists()


def test_nothing_to_run_is_an_error(kept: Path) -> None:
    ended = CliRunner().invoke(main, ["fetch", "--quick", "--only", "mixed"])
    assert (ended.exit_code, "the quick form has none of mixed" in ended.output) == (2, True)
    assert not kept.exists()


@pytest.mark.parametrize("option", ["--only", "--tools"])
def test_a_name_nobody_has_is_an_error(kept: Path, option: str) -> None:
    ended = CliRunner().invoke(main, ["fetch", option, "nonsense"])
    assert (ended.exit_code, "'nonsense' is no" in ended.output) == (2, True)
    assert not kept.exists()


def test_the_quick_form_of_scale_says_what_it_has_not() -> None:
    ended = CliRunner().invoke(main, ["scale", "--quick", "--only", "5000"])
    assert (ended.exit_code, "the quick form has no 5000" in ended.output) == (2, True)


@pytest.mark.parametrize("by_ctrl_c", [False, True], ids=["SIGTERM", "Ctrl-C"])
def test_who_is_told_to_end_ends_what_runs_and_waits_until_it_has_cleaned_up(
    tmp_path: Path, *, by_ctrl_c: bool
) -> None:
    child = f"""
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
try:
    pathlib.Path({str(tmp_path / "begun")!r}).touch()
    signal.pause()
finally:
    time.sleep(0.5)  # longer than Python waits after Ctrl-C by itself
    pathlib.Path({str(tmp_path / "cleaned-up")!r}).touch()
"""
    parent = f"""
import sys
from benchmarks import cli
cli.main.callback()
cli._ended([sys.executable, "-c", {child!r}])
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent], cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL
    ) as process:
        wait_until((tmp_path / "begun").exists, "the child has begun")
        if by_ctrl_c:
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.terminate()
        assert process.wait(20) in {128 + signal.SIGTERM, -signal.SIGINT}
    assert (tmp_path / "cleaned-up").exists()
