"""The demo keeps its promise, and leaves what it promised to leave."""

from __future__ import annotations

import errno
import io
import shlex
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from mailsluice_sandbox import demo
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
    (remembers,) = [line for line in ended.stdout.splitlines() if line.startswith("To see its state: ")]
    command = shlex.split(remembers.partition(": ")[2])
    assert subprocess.run(command, check=False, env={}, stdout=subprocess.DEVNULL).returncode == 0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The daemons that a demo has started."""
    daemons: list[subprocess.Popen[bytes]] = []
    start = demo.Demo._start

    def remembered_start(this: demo.Demo) -> subprocess.Popen[bytes]:
        daemons.append(start(this))
        return daemons[-1]

    monkeypatch.setattr(demo.Demo, "_start", remembered_start)
    return daemons


def test_a_demo_that_is_too_slow_fails_and_leaves_no_daemon_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]]
) -> None:
    monkeypatch.setattr(demo, "DEADLINE", 0.0)

    with pytest.raises(demo.DemoFailed, match="not stored within 0 s"):
        demo.demonstrate(tmp_path, Console(quiet=True))

    (daemon,) = started
    assert daemon.wait() != 0


def test_a_demo_that_nobody_reads_any_more_leaves_no_daemon_behind(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    class Reader(io.StringIO):
        def write(self, text: str) -> int:
            if started:
                raise OSError(errno.EIO, "its terminal has gone")
            return len(text)

    with pytest.raises(OSError, match="its terminal has gone"):
        demo.demonstrate(tmp_path, Console(file=Reader()))

    (daemon,) = started
    assert daemon.returncode is not None


def test_a_directory_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    ended = run_program("demo", "--directory", tmp_path)

    assert ended.code == 64
    assert str(tmp_path) in ended.stderr
