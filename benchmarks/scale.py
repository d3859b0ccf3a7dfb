"""What a daemon with thousands of mailboxes takes, and how soon a backlog in many of them is drained.

Owns what is measured: `mailsluice run`, as a process of its own, against
`crowd` in another, with tokens from a simulated Entra and the client secret in the keyring. Prints CPU time,
counts and the bound by round trips, beside which the seconds are to be read: other work on the machine moves
those alone. Must never take the daemon's word for what is on the disk.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import click
from rich.console import Console
from rich.table import Table

from benchmarks import DISK
from benchmarks.configuration import toml
from mailsluice.schedule import IntervalTrigger, phase
from support.program import PROGRAM

_CROWD = Path(__file__).with_name("crowd.py")
_PATIENCE = 900.0
"""Seconds after which a run is given up."""
_LATE = 1.0
"""Seconds after its point of time from which a poll is late."""
_SETTLED = 5.0
"""Seconds without a late poll after which the rush of a start is over."""
_RUSH = 180.0
"""Seconds after which it is no rush: so many polls do not fit into so many sessions."""
_CPU_TARGET, _MEMORY_TARGET = 0.25, 150
"""Of one core, and MiB, at the most, of a daemon with its mailboxes polled in time."""
_TICKS = os.sysconf("SC_CLK_TCK")
_SLOW = "box00000"


@contextmanager
def _crowd(**options: object) -> Iterator[dict[str, Any]]:
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
class Site:
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
        return sum(len(list((self.folder / name).glob("*.eml"))) for name in self.names if name != _SLOW)

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
def _site(server: dict[str, Any], mailboxes: int, every: int, sessions: int) -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="mailsluice-scale-", dir=DISK) as folder:
        site = Site(Path(folder), server, mailboxes, every, sessions)
        site.set_up()
        yield site


class Daemon:
    """`mailsluice run`, what it logs, and what /proc knows of it (proc(5))."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._read = 0
        self.sessions: list[dict[str, Any]] = []
        self.others: list[dict[str, Any]] = []
        """Lines of the log that tell of no session."""
        self.files = 0
        """Descriptors open at the most, as far as was looked."""
        with site.log.open("wb") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "-c", site.config, "run"], stdin=subprocess.DEVNULL, stderr=log
            )

    def look(self) -> None:
        """Read what the log has more."""
        with self._site.log.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if line.endswith(b"\n"):
                    self._read += len(line)
                    event = json.loads(line)
                    (self.sessions if event["event"] == "session" else self.others).append(event)
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

    def started(self, times: int = 1) -> float:
        """Wait until it says so often that it polls; the seconds that took."""
        return self.wait_until(
            lambda: sum(each["event"] == "service started" for each in self.others) >= times
        )

    def cpu(self) -> float:
        """Seconds of CPU time so far."""
        return cpu(self._process.pid)

    def memory(self) -> str:
        """Resident now, and at most so far."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii").splitlines()
        found = dict(line.split(":", 1) for line in lines)
        now, peak = (int(found[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
        return f"{now:.0f} MiB, at most {peak:.0f}"

    def reload(self) -> float:
        """SIGHUP; the seconds until it polls anew."""
        self._process.send_signal(signal.SIGHUP)
        return self.started(2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # what it has to end with may take 20 s
        self._process.wait(_PATIENCE)


def cpu(pid: int) -> float:
    """Seconds of CPU time a process has had so far."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


def late_by(poll: dict[str, Any], every: int) -> float:
    """Seconds from the point of time a poll was due at to when it began."""
    interval, started = timedelta(seconds=every), _started(poll)
    trigger = IntervalTrigger(interval, phase(poll["mailbox"]))
    return (started - trigger.get_next_fire_time(None, started - interval)).total_seconds()


def _started(poll: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(poll["started"]).astimezone(UTC)


def _settled(daemon: Daemon, every: int) -> bool:
    """Whether the rush of the start is over: what was polled in the last seconds was polled in time."""
    since = datetime.now(UTC) - timedelta(seconds=_SETTLED)
    return all(_started(p) < since or late_by(p, every) < _LATE for p in daemon.sessions[-1000:])


def timetable(mailboxes: int, every: int, window: float, sessions: int, round_trip: float) -> Table:
    """So many mailboxes that begin with a message each, and then are empty."""
    table = Table(f"{mailboxes:,} mailboxes every {every} s", "", box=None)
    with (
        _crowd(messages=1, round_trip=round_trip) as server,
        _site(server, mailboxes, every, sessions) as site,
        Daemon(site) as daemon,
    ):
        table.add_row("start, until it polls", f"{daemon.started():.1f} s, {daemon.cpu():.1f} s of CPU")
        once = daemon.wait_until(lambda: len({each["mailbox"] for each in daemon.sessions}) == mailboxes)
        table.add_row("then, until each has been polled", f"{once:.0f} s, {daemon.cpu():.1f} s of CPU")
        rush_ends = time.monotonic() + _RUSH
        daemon.wait_until(lambda: _settled(daemon, every) or time.monotonic() > rush_ends)
        skip, used, served, begun = len(daemon.sessions), daemon.cpu(), cpu(server["pid"]), time.monotonic()
        time.sleep(window)
        daemon.look()
        took, used, served = time.monotonic() - begun, daemon.cpu() - used, cpu(server["pid"]) - served
        polls = daemon.sessions[skip:]
        late = [late_by(poll, every) for poll in polls]
        table.add_row(
            f"CPU, of one core, in {took:.0f} s",
            f"{used / took:.1%} (≤ {_CPU_TARGET:.0%}); the server {served / took:.1%}",
        )
        table.add_row("CPU of a poll", f"{used / len(polls) * 1000:.2f} ms")
        table.add_row("polls, due by the timetable", f"{len(polls):,}, {mailboxes / every * took:,.0f}")
        table.add_row(
            "late polls", f"{sum(each > _LATE for each in late)}; none by more than {max(late):.2f} s"
        )
        table.add_row("failed polls, since the start", _failures(daemon))
        table.add_row("memory", f"{daemon.memory()} (≤ {_MEMORY_TARGET})")
        used = daemon.cpu()
        table.add_row(
            "reload, until it polls", f"{daemon.reload():.1f} s, {daemon.cpu() - used:.1f} s of CPU"
        )
        table.add_row("memory after it", daemon.memory())
    return table


def backlog(mailboxes: int, messages: int, sessions: int, round_trip: float) -> Table:
    """A backlog in many mailboxes that are far away, one of which dribbles."""
    table = Table(f"{messages} in each of {mailboxes} mailboxes at {round_trip * 1000:.0f} ms", "", box=None)
    options = {"messages": messages, "round_trip": round_trip, "slow": f"{_SLOW}@acme.example"}
    with _crowd(**options) as server, _site(server, mailboxes, 10, sessions) as site, Daemon(site) as daemon:
        daemon.started()
        used = daemon.cpu()
        expected = (mailboxes - 1) * messages
        took = daemon.wait_until(
            lambda: sum(each["stored"] for each in daemon.sessions if each["mailbox"] != _SLOW) >= expected
        )
        used = daemon.cpu() - used
        if (stored := site.stored()) < expected:
            raise click.ClickException(f"the log tells of {expected} messages, and {stored} are there")
        bound = expected * 2 * round_trip / sessions
        table.add_row("drained, but for one that dribbles", f"{took:.1f} s")
        table.add_row(
            "two round trips each, over the sessions",
            f"{bound:.1f} s of {sessions}; {bound * sessions / (sessions - 1):.1f} s of the {sessions - 1} others",
        )
        table.add_row("CPU, of one core", f"{used / took:.0%}; of a message {used / expected * 1000:.2f} ms")
        table.add_row("failed polls", _failures(daemon))
        table.add_row("memory", daemon.memory())
        table.add_row("open files, at most", str(daemon.files))
    return table


def _failures(daemon: Daemon) -> str:
    failed = Counter(
        f"{each['outcome']}: {each['detail']}" for each in daemon.sessions if each["outcome"] != "ok"
    )
    return "\n".join(f"{times} {why}" for why, times in failed.items()) or "0"


@click.command()
@click.option("--quick", is_flag=True, help="As many polls a second, of fewer mailboxes and for less long.")
@click.option("--only", type=click.Choice(["1000", "5000", "backlog"]), help="One of the three.")
@click.option("--window", default=90.0, help="Seconds of the timetable that are measured.")
@click.option("--sessions", default=16, help="max_sessions.")
@click.option("--round-trip", type=float, help="Seconds; otherwise 0, and 0.04 for the backlog.")
def scale(*, quick: bool, only: str | None, window: float, sessions: int, round_trip: float | None) -> None:
    """A daemon of thousands of mailboxes, and a backlog in a hundred."""
    near, far = (0.0, 0.04) if round_trip is None else (round_trip, round_trip)
    measures: dict[str, Callable[[], Table]] = {
        "1000": lambda: timetable(1000, 60, window, sessions, near),
        "5000": lambda: timetable(5000, 300, window, sessions, near),
        "backlog": lambda: backlog(100, 100, sessions, far),
    }
    if quick:
        measures = {
            "1000": lambda: timetable(250, 15, 15.0, sessions, near),
            "backlog": lambda: backlog(100, 10, sessions, far),
        }
    console = Console(width=110)
    for name, measure in measures.items():
        if only in {None, name}:
            console.print(measure(), "")
