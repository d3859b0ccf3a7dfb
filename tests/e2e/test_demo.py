"""The demo keeps its promise, and leaves what it promised to leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.program import run_program


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_demo_stores_everything_once_and_says_where(tmp_path: Path) -> None:
    folder = tmp_path / "demo"

    ended = run_program("demo", "--directory", folder)

    assert ended.code == 0
    assert str(folder) in ended.stdout
    assert len(list((folder / "invoices").glob("*.eml"))) == 312
    assert len(list((folder / "scans" / "new").iterdir())) == 12
    assert run_program("-c", folder / "mailsluice.toml", "status").code == 0


def test_a_directory_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    ended = run_program("demo", "--directory", tmp_path)

    assert ended.code == 64
    assert str(tmp_path) in ended.stderr
