from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from benchmarks import table
from benchmarks.figures import Aim, Result, Row, Run, load, save
from benchmarks.process import Cost

ABOUT = {"when": "2025-03-03", "python": "3.11.2", "cores": "2", "disk": "ext4", "tools": "mpop 1.4"}


def result(*seconds: float, trips: int | None = None) -> Result:
    return Result([Run(Cost(wall=s, cpu=s / 2, memory=2**20, code=0), trips) for s in seconds])


def of(shown: Table) -> str:
    console = Console(width=140)
    with console.capture() as said:
        console.print(shown)
    return said.get()


@pytest.fixture
def row() -> Row:
    results = {
        "mailsluice": result(3, 1, 8, trips=20),
        "mpop": result(6, 1, 20),
        "getmail6": result(60),
        "fdm": Result(failure="left out: fdm", left_out=True),
    }
    return Row("far", "the 500 at 40 ms", 10, 0.04, results=results)


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


def test_a_failure_takes_the_good_runs_before_it_out(row: Row) -> None:
    ours = row.results["mailsluice"]
    ours.failure = "failed: 3 missing"
    assert not ours.counts
    assert row.ratio("mailsluice") is None
    assert of(table.of_one(row)).count("failed: 3 missing") == 1
    assert of(table.of_all([row], ABOUT)).count("failed: 3 missing") == 1
    assert "1.00-8.00" not in of(table.of_one(row))
    assert "0.50" not in of(table.of_all([row], ABOUT))


def test_of_a_failed_reference_there_is_no_ratio(row: Row) -> None:
    row.results["mpop"].failure = "failed: left 1 on the server"
    assert row.ratio("mailsluice") is None


def test_what_is_saved_is_loaded(row: Row, tmp_path: Path) -> None:
    kept = Row("idle", "nothing new", 10, kept=True, results={"mpop": result(4)})
    save([row, kept], ABOUT, tmp_path / "new" / "figures.json")
    assert load(tmp_path / "new" / "figures.json") == ([row, kept], ABOUT)


def test_the_tables_say_it(row: Row) -> None:
    one = of(table.of_one(row))
    assert "3.00        1.00-8.00    0.50" in one
    assert " ".join(one.splitlines()[2].split()).endswith("1 2.00 7.50")
    assert "left out: fdm" in one
    assert "2025-03-03, 2 cores, ext4, Python 3.11.2, runs: 1-3 mpop 1.4" in " ".join(
        of(table.of_all([row], ABOUT)).split()
    )
    assert "3.00 (0.50)" in of(table.of_all([row], ABOUT))


def test_round_trips_are_told_as_counted_and_as_waited_for(row: Row) -> None:
    assert (row.asked("mailsluice"), row.waited("mailsluice")) == (2.0, 3 / 0.04 / 10)
    assert (row.asked("mpop"), row.asked("fdm"), row.waited("fdm")) == (None, None, None)


def test_what_is_kept_is_compared_by_cpu() -> None:
    results = {"mailsluice": Result([Run(Cost(wall=9, cpu=1, memory=1, code=0), None)]), "mpop": result(4)}
    row = Row("idle", "nothing new", 10, kept=True, results=results)
    assert (row.seconds("mailsluice"), row.ratio("mailsluice"), row.wall_ratio("mailsluice")) == (
        1,
        0.5,
        2.25,
    )
    assert "nothing new: CPU  1.00 (0.50)" in of(table.of_all([row], ABOUT))


@pytest.mark.parametrize(
    ("aim", "said"),
    [
        (Aim("mailsluice", "ratio", 0.5), "0.50 0.50 met"),
        (Aim("mailsluice", "ratio", 0.499), "0.50 0.50 missed"),
        (Aim("mailsluice", "asked", 2.1), "2.10 2.00 met"),
        (Aim("mailsluice", "waited", 7.0), "7.00 7.50 missed"),
        (Aim("mailsluice", "memory", 1.0), "1.00 1.00 met"),
        (Aim("fdm", "ratio", 1.0), "1.00 not measured"),
    ],
)
def test_an_aim_is_met_or_not(row: Row, aim: Aim, said: str) -> None:
    assert said in " ".join(of(table.of_aims([row], {"far": [aim]})).split())


def test_an_aim_of_who_failed_is_not_measured(row: Row) -> None:
    row.results["mailsluice"].failure = "failed: left 3 on the server"
    for figure in ("ratio", "asked", "waited", "memory"):
        told = of(table.of_aims([row], {"far": [Aim("mailsluice", figure, 9.0)]}))
        assert "not measured" in told


def test_an_aim_for_who_did_not_take_part_is_not_told(row: Row) -> None:
    assert "floor" not in of(table.of_aims([row], {"far": [Aim("floor", "ratio", 1.0)]}))
