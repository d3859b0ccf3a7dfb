from __future__ import annotations

from collections.abc import Iterator

import pytest

from hostile.corpus import CASES
from hostile.table import MEASURED, write
from hostile.world import World
from support.extent import FULL

_rows: dict[str, str] = {}


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with World() as world:
        yield world


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect what the tests measured, wherever they ran."""
    for name, value in report.user_properties:
        if name == MEASURED and report.when == "call" and report.passed:
            text = str(value)
            _rows[text.removeprefix("| ").partition(" | ")[0]] = text


def pytest_sessionfinish() -> None:
    """Write the table anew, if every case is in it."""
    if FULL and len(_rows) == len(CASES):
        write(_rows)
