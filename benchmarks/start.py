"""What it costs to start: whole processes, from nothing to their end, of commands that have little to do.

Run as `python -m benchmarks.start`. The runs of all commands are interleaved, so that what else the machine
does falls on all of them; the first round, which compiles and makes the ledgers, is not counted. The
simulated Entra ID and Exchange Online are a process of their own. A poll by client secret asks for a token
each time: nothing is kept between two processes.

Owns the commands and their targets; must never measure in this process what a whole one costs.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import click
from rich.console import Console
from rich.table import Table

from benchmarks import DISK
from benchmarks.process import Cost, measure
from mailsluice.sandbox import Sandbox
from support.program import PATIENCE, PROGRAM, surroundings

ROUNDS, FEW_ROUNDS = 21, 5
ADDRESS = "empty@acme.example"
CANARY = "canary-correct-horse"
_MEMORY = 64.0


@dataclass(frozen=True)
class Case:
    """A command: what it is called in the table, its arguments, and the seconds it may take."""

    name: str
    arguments: Sequence[str | Path]
    target: float | None = None
    costs: list[Cost] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where the server is, and what it takes to log in."""

    host: str
    port: int
    ca_file: Path
    authority: str
    tenant_id: str
    client_id: str
    client_secret: str


def _serve(ours: Connection) -> None:
    """One empty mailbox, until the other end is closed."""
    with Sandbox() as sandbox:
        sandbox.mailbox(ADDRESS, CANARY)
        ours.send(
            Place(
                sandbox.host,
                sandbox.pop3_port,
                sandbox.ca_file,
                sandbox.authority,
                sandbox.tenant_id,
                sandbox.client_id,
                sandbox.client_secret,
            )
        )
        ours.poll(None)


@contextmanager
def server() -> Iterator[Place]:
    """A server in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join()


def _credentials(home: Path, place: Place) -> Mapping[str, str]:
    """By the name of the configuration, the section in which its credential is."""
    for name, secret in (("password", CANARY), ("secret", place.client_secret)):
        (home / name).touch(mode=0o600)
        (home / name).write_text(secret)
    entra = f"""\
kind          = "entra"
tenant_id     = "{place.tenant_id}"
client_id     = "{place.client_id}"
authority     = "{place.authority}"
ca_file       = "{place.ca_file}"
"""
    return {
        "password": f'kind = "password"\npassword = "file:{home}/password"\n',
        "secret": f'{entra}client_secret = "file:{home}/secret"\n',
        "keyring": f'{entra}client_secret = "keyring:acme"\n',
    }


def _configure(home: Path, place: Place) -> dict[str, Path]:
    files = {}
    for name, credential in _credentials(home, place).items():
        files[name] = home / f"{name}.toml"
        files[name].write_text(f"""\
[service]
state_dir = "{home}/{name}-state"
[credentials.c]
{credential}
[mailboxes.empty]
address    = "{ADDRESS}"
credential = "c"
host       = "{place.host}"
port       = {place.port}
ca_file    = "{place.ca_file}"
sink       = {{ kind = "spool", path = "{home}/{name}-spool" }}
""")
    subprocess.run(
        [PROGRAM, "-c", files["keyring"], "secret", "set", "acme"],
        input=place.client_secret,
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
        env=surroundings(),
        timeout=PATIENCE,
    )
    return files


def cases(files: Mapping[str, Path]) -> list[Case]:
    """What is measured, the base first: an interpreter that does nothing."""

    def mailsluice(name: str, *arguments: str, config: str = "", target: float | None = None) -> Case:
        chosen: list[str | Path] = ["-c", files[config]] if config else []
        return Case(name, [PROGRAM, *chosen, *arguments], target)

    return [
        Case("python -c pass", [sys.executable, "-c", "pass"]),
        mailsluice("--help", "--help", target=0.25),
        mailsluice("--version", "--version"),
        mailsluice("config check", "config", "check", config="password"),
        mailsluice("status", "status", config="password"),
        mailsluice("poll, password", "poll", config="password", target=0.5),
        mailsluice("poll, client secret", "poll", config="secret", target=0.5),
        mailsluice("poll, secret in the keyring", "poll", config="keyring", target=0.5),
    ]


def run(measured: Sequence[Case], rounds: int, log: Path) -> None:
    """Run them all by turns, so often and once before. Raises RuntimeError where one fails."""
    for number in range(rounds + 1):
        for case in measured:
            cost = measure(case.arguments, surroundings(), log, PATIENCE)
            if cost.code:
                raise RuntimeError(f"{case.name} ended with {cost.code}: {log.read_text()}")
            if number:
                case.costs.append(cost)


def table(measured: Sequence[Case]) -> Table:
    """Medians, from the fastest to the slowest, and the most memory."""
    title = f"whole processes, {len(measured[0].costs)} runs each; load {os.getloadavg()[0]:.1f}"
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False)
    shown.add_column("")
    for column in ("seconds", "fastest-slowest", "at most", "CPU s", "least", "MiB", "at most"):
        shown.add_column(column, justify="right")
    for case in measured:
        walls, cpus = [cost.wall for cost in case.costs], [cost.cpu for cost in case.costs]
        shown.add_row(
            case.name,
            f"{median(walls):.3f}",
            f"{min(walls):.3f}-{max(walls):.3f}",
            "" if case.target is None else f"{case.target:.2f}",
            f"{median(cpus):.3f}",
            f"{min(cpus):.3f}",
            f"{max(cost.memory for cost in case.costs) / 2**20:.1f}",
            f"{_MEMORY:.0f}" if "poll" in case.name else "",
        )
    return shown


@click.command()
@click.option("--quick", is_flag=True, help=f"{FEW_ROUNDS} runs of each, not {ROUNDS}.")
def main(*, quick: bool) -> None:
    """Measure what it costs to start, and print a table."""
    with tempfile.TemporaryDirectory(prefix="start-", dir=DISK) as folder, server() as place:
        home = Path(folder)
        measured = cases(_configure(home, place))
        run(measured, FEW_ROUNDS if quick else ROUNDS, home / "log")
    Console(width=120).print(table(measured))


if __name__ == "__main__":
    main()
