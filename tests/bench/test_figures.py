from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import table
from benchmarks.figures import Result, Row, Run, load, save
from benchmarks.process import Cost


def result(*seconds: float, trips: int | None = None) -> Result:
    return Result([Run(Cost(wall=s, cpu=s / 2, memory=2**20, code=0), trips) for s in seconds])


@pytest.fixture
def row() -> Row:
    results = {
        "mailsluice": result(3, 1, 8, trips=20),
        "mpop": result(6, 1, 20),
        "getmail6": result(60),
        "fdm": Result(failure="left out: fdm", left_out=True),
    }
    return Row("far", "the 500 at 40 ms", 10, results)


def test_the_middle_run_stands_for_all(row: Row) -> None:
    ours = row.results["mailsluice"]
    assert (ours.wall, ours.spread, ours.cpu) == (3, (1, 8), 1.5)


def test_a_ratio_is_the_middle_one_of_the_rounds(row: Row) -> None:
    assert (row.ratio("mailsluice"), row.cpu_ratio("mailsluice")) == (0.5, 0.5)  # of 0.5, 1 and 0.4
    assert row.ratio("mpop") == 1.0


def test_who_had_fewer_rounds_is_compared_in_those(row: Row) -> None:
    assert row.ratio("getmail6") == 10.0


def test_who_did_not_run_has_no_ratio(row: Row) -> None:
    assert row.ratio("fdm") is None
    del row.results["mpop"]
    assert row.ratio("mailsluice") is None


def test_what_is_saved_is_loaded(row: Row, tmp_path: Path) -> None:
    save([row], {}, tmp_path / "new" / "figures.json")
    assert load(tmp_path / "new" / "figures.json") == [row]


def test_the_tables_say_it(row: Row) -> None:
    console = Console(width=140)
    with console.capture() as said:
        console.print(table.of_one(row), table.of_all([row]))
    assert "3.00        1.00-8.00    0.50" in said.get()
    assert "20 (2.00 each)" in said.get()
    assert "left out: fdm" in said.get()
    assert "3.00 (0.50)" in said.get()
