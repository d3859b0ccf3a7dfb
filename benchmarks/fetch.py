"""The fetch: all tools run in turn, and after each run it is checked that all mail has come.

Owns the order of the runs, and which runs count. Must never leave anything behind but the figures.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks import DISK, table
from benchmarks.figures import Result, Row, Run
from benchmarks.mail import mistakes
from benchmarks.process import Cost, measure
from benchmarks.scenarios import Scenario
from benchmarks.server import Reach, Server, running_server
from benchmarks.tools import FLOOR, TOOLS, Errand, Tool

_PATIENCE = 600.0
"""Seconds after which a run is given up."""


class Failed(Exception):
    """A run that does not count: what was wrong with it."""


def fetch(scenarios: Sequence[Scenario], console: Console, disk: str = DISK) -> list[Row]:
    """Run all, delivering onto this disk, and printing each scenario's table as it is done."""
    rows = []
    with running_server() as server, TemporaryDirectory(prefix="mailsluice-bench-", dir=disk) as folder:
        Path(folder).chmod(0o711)  # getmail6 delivers as another user
        for scenario in scenarios:
            server.stock(scenario.load)
            rows.append(_row(scenario, server, Path(folder), console))
            console.print(table.of_one(rows[-1]), "")
    return rows


def _row(scenario: Scenario, server: Server, folder: Path, console: Console) -> Row:
    row = Row(scenario.name, scenario.title, scenario.load.count, scenario.round_trip, scenario.kept)
    for name in scenario.tools:
        missing = TOOLS[name].missing()
        failure = f"left out: {missing} is not installed" if missing else ""
        row.results[name] = Result(failure=failure, left_out=bool(missing))
    with console.status("") as status:
        for number in range(scenario.rounds):
            for name in _turn(scenario, number):
                result = row.results[name]
                if result.failure:
                    continue
                status.update(f"{scenario.title}: {name}, round {number + 1} of {scenario.rounds_of(name)}")
                try:
                    place = Path(tempfile.mkdtemp(prefix=f"{scenario.name}-{name}-", dir=folder))
                    result.runs.append(_run(TOOLS[name], scenario, server, place))
                except Failed as failed:
                    result.failure = f"failed: {failed}"
                    console.print(f"{scenario.name}, {name}: {failed}", style="red")
    return row


def _turn(scenario: Scenario, number: int) -> list[str]:
    """Who runs in this round, in its order: by lot, so that nobody always follows the same; each time the same lot."""
    running = [name for name in scenario.tools if number < scenario.rounds_of(name)]
    return Random(f"{scenario.name}-{number}").sample(running, len(running))


def _run(tool: Tool, scenario: Scenario, server: Server, folder: Path) -> Run:
    """One fetch of a mailbox that nobody opened, into `folder`, which is empty. Raises Failed.

    Of what is kept: the poll after that.
    """
    folder.chmod(0o711)
    mailbox = server.mailbox(scenario.load)
    with server.reach(scenario.round_trip, pipelining=scenario.pipelining) as reach:
        errand = _errand(reach, scenario, mailbox.address, server.password, folder)
        arguments = tool.prepare(errand)
        if scenario.kept:
            _ended(arguments, errand, 0)
        os.sync()  # or this run would pay for writing what the last one left in memory
        cost = _ended(arguments, errand, tool.nothing_new if scenario.kept else 0)
    wrong = mistakes(server.stock(scenario.load).expected, _arrived(errand.mail))
    if wrong and tool is not FLOOR:
        raise Failed(f"{wrong}: {_last_words(_log(errand))}")
    if bare := sum(not path.with_suffix(".json").is_file() for path in errand.mail.glob("*.eml")):
        raise Failed(f"{bare} without a sidecar")
    if (left := len(mailbox.uidls())) != (scenario.load.count if scenario.kept else 0):
        raise Failed(f"left {left} on the server")
    _empty(errand.mail)
    return Run(cost, reach.round_trips.count if reach.round_trips else None)


def _ended(arguments: Sequence[str | Path], errand: Errand, code: int) -> Cost:
    """What it cost, to its good end, which this exit code tells. Raises Failed."""
    cost = measure(arguments, _environment(errand), _log(errand), _PATIENCE)
    if cost.code != code:
        raise Failed(f"ended with {cost.code} after {cost.wall:.1f} s: {_last_words(_log(errand))}")
    return cost


def _log(errand: Errand) -> Path:
    return errand.folder.with_name("log")


def _empty(mail: Path) -> None:
    """Empty the files, but do not remove them: ext4 skips the inodes of files just removed, one by one.

    New files would cost more for some minutes: mpop's 5,000 took 7.0 s of CPU, and 1.8 s otherwise.
    """
    for path in _arrived(mail):
        os.truncate(path, 0)


def _errand(reach: Reach, scenario: Scenario, address: str, password: str, folder: Path) -> Errand:
    own = folder / "own"
    own.mkdir()
    return Errand(
        port=reach.port,
        ca_file=reach.ca_file,
        address=address,
        password=password,
        pipelining=scenario.pipelining,
        keep=scenario.kept,
        mail=folder / "mail",
        folder=own,
    )


def _environment(errand: Errand) -> dict[str, str]:
    """Nothing of ours; fdm knows no other way to be told whom to trust."""
    return {"PATH": os.environ["PATH"], "HOME": str(errand.folder), "SSL_CERT_FILE": str(errand.ca_file)}


def _arrived(mail: Path) -> Iterator[Path]:
    """The messages in a Maildir or a spool."""
    for pattern in ("new/*", "cur/*", "*.eml"):
        yield from mail.glob(pattern)


def _last_words(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-600:]
