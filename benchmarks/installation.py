"""An installation with many mailboxes: its server, its files, and the daemon that polls them.

Owns how `mailsluice run` is started, how its log is read, and how its process is watched. Tokens come from a
simulated Entra, and the client secret is in the keyring. Must never know what is measured.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import click

from benchmarks import DISK
from benchmarks.configuration import toml
from support.program import PROGRAM

SLOW = "box00000"
"""The mailbox that may dribble."""

_CROWD = Path(__file__).with_name("crowd.py")
_PATIENCE = 900.0
"""Seconds after which a run is given up."""
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def crowd(**options: object) -> Iterator[dict[str, Any]]:
    """The server, and where it is to be found."""
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    with subprocess.Popen(
        [sys.executable, _CROWD, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield {**json.loads(process.stdout.readline()), "pid": process.pid}
        finally:
            process.stdin.close()
            process.wait(_PATIENCE)


@dataclass(frozen=True)
class Installation:
    """One installation: what it polls, and where its files are."""

    folder: Path
    server: dict[str, Any]
    mailboxes: int
    every: int
    sessions: int

    @property
    def log(self) -> Path:
        """What the daemon says."""
        return self.folder / "log"

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "mailsluice.toml"

    @property
    def names(self) -> list[str]:
        """The mailboxes' names."""
        return [f"box{number:05}" for number in range(self.mailboxes)]

    def stored(self) -> int:
        """The messages in all spools but that of the slow one."""
        return sum(len(list((self.folder / name).glob("*.eml"))) for name in self.names if name != SLOW)

    def set_up(self) -> None:
        """Write the configuration, and put the client secret into the keyring."""
        sections: dict[str, dict[str, object]] = {
            "service": {"state_dir": self.folder / "state", "max_sessions": self.sessions},
            "log": {"format": "json"},
            "credentials.acme": {
                "kind": "entra",
                "client_secret": "keyring:acme",
                **{key: self.server[key] for key in ("tenant_id", "client_id", "authority", "ca_file")},
            },
            "defaults": {
                "credential": "acme",
                "host": "localhost",
                "port": self.server["port"],
                "ca_file": self.server["ca_file"],
                "every": f"{self.every}s",
            },
        }
        for name in self.names:
            sections[f"mailboxes.{name}"] = {"address": f"{name}@acme.example"}
            sections[f"mailboxes.{name}.sink"] = {"kind": "spool", "path": self.folder / name}
        self.config.write_text(toml(sections))
        command: list[str | Path] = [PROGRAM, "-c", self.config, "secret", "set", "acme"]
        subprocess.run(
            command, input=self.server["client_secret"], text=True, check=True, stdout=subprocess.DEVNULL
        )


@contextmanager
def installation(server: dict[str, Any], mailboxes: int, every: int, sessions: int) -> Iterator[Installation]:
    """One that is set up, and removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="mailsluice-scale-", dir=DISK) as folder:
        installed = Installation(Path(folder), server, mailboxes, every, sessions)
        installed.set_up()
        yield installed


class Daemon:
    """`mailsluice run`, what it logs, and what /proc knows of it (proc(5))."""

    def __init__(self, installed: Installation) -> None:
        self._installed = installed
        self._read = 0
        self.sessions: list[dict[str, Any]] = []
        self.others: list[dict[str, Any]] = []
        """Lines of the log that tell of no session."""
        self.files = 0
        """Descriptors open at the most, as far as was looked."""
        with installed.log.open("wb") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "-c", installed.config, "run"], stdin=subprocess.DEVNULL, stderr=log
            )

    def look(self) -> None:
        """Read what the log has more."""
        with self._installed.log.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if line.endswith(b"\n"):
                    self._read += len(line)
                    event = json.loads(line)
                    (self.sessions if event["event"] == "session" else self.others).append(event)
        with suppress(PermissionError):  # only root may look into a process that keeps its memory private
            self.files = max(self.files, len(os.listdir(f"/proc/{self._process.pid}/fd")))  # noqa: PTH208  a count

    def wait_until(self, condition: Callable[[], bool]) -> float:
        """Wait for what the log tells; the seconds that took."""
        begun = time.monotonic()
        while True:
            self.look()
            if condition():
                return time.monotonic() - begun
            if self._process.poll() is not None or time.monotonic() - begun > _PATIENCE:
                raise click.ClickException(f"in vain: {self.others[-3:]}")
            time.sleep(0.1)

    def started(self) -> float:
        """Wait until it says that it polls; the seconds that took."""
        return self._wait_for("service started")

    def _wait_for(self, event: str) -> float:
        """Wait until the log has this event; the seconds that took."""
        return self.wait_until(lambda: any(each["event"] == event for each in self.others))

    def cpu(self) -> float:
        """Seconds of CPU time so far."""
        return cpu(self._process.pid)

    def memory(self) -> str:
        """Resident now, and at most so far."""
        found = self._status()
        return f"{found['VmRSS']:.0f} MiB, at most {found['VmHWM']:.0f}"

    def resident(self) -> float:
        """MiB resident now."""
        return self._status()["VmRSS"]

    def _status(self) -> dict[str, float]:
        """What has a size, in MiB."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii").splitlines()
        found = (line.split() for line in lines if line.endswith(" kB"))
        return {name.rstrip(":"): int(size) / 1024 for name, size, _ in found}

    def reload(self) -> float:
        """SIGHUP; the seconds until it polls by the configuration that it read then."""
        self._process.send_signal(signal.SIGHUP)
        return self._wait_for("configuration reloaded")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # a stop in good order may take 20 s
        self._process.wait(_PATIENCE)


def cpu(pid: int) -> float:
    """Seconds of CPU time a process has had so far."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS
