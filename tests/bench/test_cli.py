"""Which runs of the benchmark's command leave their figures where."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import cli
from benchmarks.cli import main


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cli, "run_fetch", lambda *_: [])
    monkeypatch.setattr(cli, "KEPT", tmp_path / "figures.json")
    return tmp_path / "figures.json"


def test_a_whole_run_is_what_the_picture_is_drawn_from(kept: Path) -> None:
    assert CliRunner().invoke(main, ["fetch"]).exit_code == 0
    assert kept.exists()


@pytest.mark.parametrize("part", [["--quick"], ["--only", "small"], ["--tools", "mpop"]])
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
