"""The installed program as a process of its own, as an administrator runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PROGRAM = Path(sys.executable).with_name("mailsluice")
PATIENCE = 50.0
"""Seconds after which a test gives up on a process: only a broken one takes so long."""


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it printed."""

    code: int
    stdout: str
    stderr: str


def surroundings(**variables: str) -> dict[str, str]:
    """What a program finds in its environment: little of ours, and these."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, **variables}


def run_program(
    *arguments: str | Path,
    stdin: str = "",
    environment: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> Ended:
    """Run to the end. What it prints is printed again, so that the search for secrets sees it."""
    ended = subprocess.run(
        [PROGRAM, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=surroundings(**(environment or {})),
        cwd=cwd,
    )
    print(ended.stdout)
    print(ended.stderr, file=sys.stderr)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def printed_by(program: str) -> str:
    """What this Python prints in a process of its own, where nothing is loaded yet."""
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
        env=surroundings(),
    ).stdout


class Daemon:
    """`mailsluice run` in the background; a context manager that ends it if the test does not."""

    def __init__(
        self,
        config: Path,
        *,
        log: Path,
        arguments: Sequence[str] = ("run",),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                [PROGRAM, "-c", config, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=surroundings(**(environment or {})),
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        return self._process.wait(PATIENCE)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.running:
            self.kill()
        print(self.log.read_text(errors="replace"))
