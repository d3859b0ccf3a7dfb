"""What it costs to start: whole processes of commands that have little to do.

All commands run in turn, so that other work on the machine affects all of them. The first round compiles the
modules and makes the ledgers, and is not counted. The simulated Entra ID and Exchange Online are a process of
their own. A token is kept between two processes, so before some cases it is removed: their poll asks for one
each time. One case fetches large messages after such a login, to see how much memory both need together.

Owns the commands and their aims. Must never measure a cost inside this process: only whole processes count.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import click
from rich.console import Console
from rich.table import Table

from benchmarks import DISK
from benchmarks.configuration import toml
from benchmarks.process import Cost, measure
from mailsluice_sandbox import Sandbox
from support.program import PATIENCE, PROGRAM, surroundings

ROUNDS, FEW_ROUNDS = 21, 3
EMPTY, FULL = "empty@acme.example", "full@acme.example"
LARGE = 3
_OCTETS = 20_000_000
CANARY = "canary-correct-horse"
_MEMORY = 64.0


@dataclass(frozen=True)
class Case:
    """A command: what it is called in the table, its arguments, and the seconds it may take.

    `large`: how many large messages are delivered before each run. `forgets`: the directory of tokens that is
    removed before each.
    """

    name: str
    arguments: Sequence[str | Path]
    aim: float | None = None
    large: int = 0
    forgets: Path | None = None
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


Deliver = Callable[[int], None]
"""Puts so many large messages into the mailbox `FULL`."""


def _serve(ours: Connection) -> None:
    """Two mailboxes, one of them empty, until the other end is closed."""
    with Sandbox() as sandbox, suppress(EOFError):
        sandbox.mailbox(EMPTY, CANARY)
        full = sandbox.mailbox(FULL)
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
        message = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * (_OCTETS // 18)
        while True:
            for _ in range(ours.recv()):
                full.deliver(message)
            ours.send(None)


@contextmanager
def server() -> Iterator[tuple[Place, Deliver]]:
    """A server in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()

    def deliver(messages: int) -> None:
        ours.send(messages)
        ours.recv()

    try:
        yield ours.recv(), deliver
    finally:
        ours.close()
        process.join()


def _credentials(home: Path, place: Place) -> Mapping[str, Mapping[str, object]]:
    """By the name of the configuration, its credential."""
    for name, secret in (("password", CANARY), ("secret", place.client_secret)):
        (home / name).touch(mode=0o600)
        (home / name).write_text(secret)
    entra = {
        "kind": "entra",
        "tenant_id": place.tenant_id,
        "client_id": place.client_id,
        "authority": place.authority,
        "ca_file": place.ca_file,
    }
    return {
        "password": {"kind": "password", "password": f"file:{home}/password"},
        "secret": {**entra, "client_secret": f"file:{home}/secret"},
        "keyring": {**entra, "client_secret": "keyring:acme"},
        "full": {**entra, "client_secret": "keyring:acme"},
    }


def _configure(home: Path, place: Place) -> dict[str, Path]:
    files = {}
    for name, credential in _credentials(home, place).items():
        mailbox = {
            "address": FULL if name == "full" else EMPTY,
            "credential": "c",
            "host": place.host,
            "port": place.port,
            "ca_file": place.ca_file,
        }
        files[name] = home / f"{name}.toml"
        files[name].write_text(
            toml(
                {
                    "service": {"state_dir": home / f"{name}-state"},
                    "credentials.c": credential,
                    "mailboxes.one": mailbox,
                    "mailboxes.one.sink": {"kind": "spool", "path": home / f"{name}-spool"},
                }
            )
        )
    for name in ("keyring", "full"):
        subprocess.run(
            [PROGRAM, "-c", files[name], "secret", "set", "acme"],
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

    def mailsluice(
        name: str,
        *arguments: str,
        config: str = "",
        aim: float | None = None,
        large: int = 0,
        kept: bool = False,
    ) -> Case:
        chosen: list[str | Path] = ["-c", files[config]] if config else []
        tokens = None if kept or not config else files[config].parent / f"{config}-state" / "tokens"
        return Case(name, [PROGRAM, *chosen, *arguments], aim, large, tokens)

    return [
        Case("python -c pass", [sys.executable, "-c", "pass"]),
        mailsluice("--help", "--help", aim=0.25),
        mailsluice("--version", "--version"),
        mailsluice("config check", "config", "check", config="password"),
        mailsluice("status", "status", config="password"),
        mailsluice("poll, password", "poll", config="password", aim=0.5),
        mailsluice("poll, client secret", "poll", config="secret", aim=0.5),
        mailsluice("poll, secret in the keyring", "poll", config="keyring", aim=0.5),
        mailsluice("poll, token kept", "poll", config="keyring", aim=0.5, kept=True),
        mailsluice(f"poll, asking, {LARGE} of 20 MB", "poll", config="full", large=LARGE),
    ]


def run(measured: Sequence[Case], rounds: int, deliver: Deliver, log: Path) -> None:
    """Run them all by turns, so often and once before. Raises RuntimeError where one fails."""
    for number in range(rounds + 1):
        for case in measured:
            deliver(case.large)
            if case.forgets:
                shutil.rmtree(case.forgets, ignore_errors=True)
            cost = measure(case.arguments, surroundings(), log, PATIENCE)
            if cost.code:
                raise RuntimeError(f"{case.name} ended with {cost.code}: {log.read_text()}")
            if number:
                case.costs.append(cost)


def table_of(measured: Sequence[Case]) -> Table:
    """Medians, from the fastest to the slowest, and the most memory."""
    title = f"whole processes, {len(measured[0].costs)} runs each; load {os.getloadavg()[0]:.1f}"
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False)
    shown.add_column("")
    for column in ("seconds", "fastest-slowest", "at most", "CPU s", "least", "MiB", "MiB at most"):
        shown.add_column(column, justify="right")
    for case in measured:
        walls, cpus = [cost.wall for cost in case.costs], [cost.cpu for cost in case.costs]
        shown.add_row(
            case.name,
            f"{median(walls):.3f}",
            f"{min(walls):.3f}-{max(walls):.3f}",
            "" if case.aim is None else f"{case.aim:.2f}",
            f"{median(cpus):.3f}",
            f"{min(cpus):.3f}",
            f"{max(cost.memory for cost in case.costs) / 2**20:.1f}",
            f"{_MEMORY:.0f}" if "poll" in case.name else "",
        )
    return shown


@click.command()
@click.option("--quick", is_flag=True, help=f"{FEW_ROUNDS} runs of each, not {ROUNDS}.")
def start(*, quick: bool) -> None:
    """Whole processes that have little to do: `--help`, `status`, a poll of an empty mailbox."""
    with tempfile.TemporaryDirectory(prefix="start-", dir=DISK) as folder, server() as (place, deliver):
        home = Path(folder)
        measured = cases(_configure(home, place))
        run(measured, FEW_ROUNDS if quick else ROUNDS, deliver, home / "log")
    Console(width=120).print(table_of(measured))
