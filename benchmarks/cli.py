"""The command: which benchmarks are run, and where their figures go.

Owns the options; must never measure.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from benchmarks import DISK, ROOT, table
from benchmarks.fetch import fetch as run_fetch
from benchmarks.figures import LAST_RUN, save
from benchmarks.idle import idle
from benchmarks.scale import scale
from benchmarks.scenarios import FULL, QUICK
from benchmarks.soak import command as soak
from benchmarks.start import start
from benchmarks.tools import TOOLS, told, versions

_WIDTH = 150


@click.group()
def main() -> None:
    """What mailsluice costs, beside others. Figures, never tests."""
    # As an exception, so that running processes are ended and folders are removed.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


def _known(kind: str, names: list[str]) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    def check(_context: click.Context, _parameter: click.Parameter, value: str) -> list[str]:
        chosen = list(dict.fromkeys(word for word in value.split(",") if word))
        for word in chosen:
            if word not in names:
                raise click.BadParameter(f"{word!r} is no {kind}; there are {', '.join(names)}")
        return chosen

    return check


@main.command("all")
@click.option("--quick", is_flag=True, help="In two minutes.")
@click.pass_context
def everything(context: click.Context, *, quick: bool) -> None:
    """Run every benchmark, one after another; the exit code is the first that is not 0."""
    flags = ["--quick"] if quick else []
    codes = []
    for name in ("fetch", "idle", "scale", "start"):
        click.echo(f"\n--- {name} ---\n")
        command = [sys.executable, "-m", "benchmarks", name, *flags]
        codes.append(_ended(command))
    context.exit(next(filter(None, codes), 0))


def _ended(command: Sequence[str]) -> int:
    """The exit code. Who is told to end before waits until it has cleaned up."""
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            return process.wait()
        except SystemExit:
            # SIGTERM came to us alone, so the process is told, too. Ctrl-C also reaches the process itself,
            # and a second signal would disturb its cleaning up.
            process.terminate()
            raise
        finally:
            process.wait()


@main.command()
@click.option("--quick", is_flag=True, help="Less of it, without the slow ones, and once or twice.")
@click.option(
    "--only",
    metavar="SCENARIO,...",
    default="",
    callback=_known("scenario", [scenario.name for scenario in FULL]),
    help="These scenarios.",
)
@click.option(
    "--tools",
    metavar="TOOL,...",
    default="",
    callback=_known("tool", list(TOOLS)),
    help="These tools, in any scenario.",
)
@click.option("--rounds", type=click.IntRange(1), help="So many runs of each tool.")
@click.option(
    "--json",
    "path",
    type=click.Path(path_type=Path),
    help=f"Where the figures go; of a whole run {LAST_RUN.relative_to(ROOT)}, otherwise nowhere.",
)
@click.option(
    "--disk",
    type=click.Path(exists=True, file_okay=False),
    default=DISK,
    show_default=True,
    help="Where mail is delivered: what a sync costs is the file system's.",
)
def fetch(
    *, quick: bool, only: list[str], tools: list[str], rounds: int | None, path: Path | None, disk: str
) -> None:
    """Fetch and delete, by every fetcher in turn, over TLS from one Dovecot."""
    scenarios = [scenario for scenario in (QUICK if quick else FULL) if scenario.name in only or not only]
    if not scenarios:
        raise click.UsageError(f"the quick form has none of {', '.join(only)}")
    if tools:
        scenarios = [replace(scenario, tools=tools) for scenario in scenarios]
    if rounds:
        scenarios = [replace(scenario, rounds=rounds) for scenario in scenarios]
    console = Console(width=_WIDTH)
    about = _about(disk, [name for scenario in scenarios for name in scenario.tools])
    rows = run_fetch(scenarios, console, disk)
    console.print(table.of_all(rows, about), "")
    if any(scenario.aims for scenario in scenarios):
        console.print(table.of_aims(rows, {scenario.name: scenario.aims for scenario in scenarios}))
    if path or not (quick or only or tools or rounds or disk != DISK):
        save(rows, about, path or LAST_RUN)
    if any(result.failure and not result.left_out for row in rows for result in row.results.values()):
        sys.exit(1)


def _about(disk: str, tools: Iterable[str]) -> dict[str, str]:
    """On what it is measured."""
    return {
        "when": f"{datetime.now(UTC):%Y-%m-%d}",
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
        "disk": told("findmnt", "--noheadings", "--output=FSTYPE", "--target", disk) or "?",
        "tools": versions(dict.fromkeys(tools)),
    }


main.add_command(idle)
main.add_command(scale)
main.add_command(soak)
main.add_command(start)
