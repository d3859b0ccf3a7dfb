from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.process import Cost, measure


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def has() -> bytes:
    """What the measuring process has at the least, and none of the measured may be said to."""
    return b"x" * 64 * 2**20


def measured(log: Path, *arguments: str, patience: float = 20) -> Cost:
    return measure(arguments, {"PATH": "/usr/bin:/bin"}, log, patience)


def test_the_memory_is_the_processs_own(log: Path, has: bytes) -> None:
    assert len(has) > 2**26 - 1
    assert measured(log, "true").memory < 2**24
    assert measured(log, sys.executable, "-c", "x = b'x' * 2**26").memory > 2**26


def test_the_cpu_time_is_that_of_its_children_too(log: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    cost = measured(log, "sh", "-c", '"$0" -c "$1"; true', sys.executable, burn)
    assert cost.cpu >= 0.3
    assert cost.wall >= 0.3


def test_the_exit_code_and_what_was_printed_are_kept(log: Path) -> None:
    cost = measured(log, "sh", "-c", "echo out; echo err >&2; exit 7")
    assert cost.code == 7
    assert log.read_text() == "out\nerr\n"


def test_one_that_does_not_end_is_ended(log: Path) -> None:
    assert measured(log, "sleep", "50", patience=0.1).code == -9
