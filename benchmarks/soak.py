"""Whether a daemon grows: its resident memory over tens of thousands of polls, with few and many mailboxes.

Owns what is measured: `mailsluice run` in one process against `crowd` in another, as in `scale`. The server's
memory is not measured. Must never count the beginning, because the modules that a daemon loads and the peak
of its first polls are no growth. The slope is that of a straight line through all later values.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import linear_regression
from typing import NamedTuple

import click
from rich.console import Console
from rich.table import Table

from benchmarks.installation import Daemon, crowd, installation

POLLS, FEW_POLLS = 50_000, 1_000
MOST = 1.0
"""MiB for each 10,000 polls of 50,000, at the most: what is resident goes up and down by some five MiB, and that
alone makes half of it. Glibc's arenas added ten times that."""

_SETTLED = 0.2
"""The part of the polls that is not looked at."""
_BETWEEN = 0.5
_SESSIONS = 16


class Seen(NamedTuple):
    """So many MiB were resident after so many polls."""

    polls: int
    memory: float


def slope(seen: Sequence[Seen]) -> float:
    """MiB that are added by 10,000 polls, of what was seen once it had settled."""
    last = seen[-1].polls
    settled = [each for each in seen if each.polls >= last * _SETTLED]
    polls, memory = zip(*settled, strict=True)
    return linear_regression(polls, memory).slope * 10_000


def soak(mailboxes: int, every: int, polls: int) -> Sequence[Seen]:
    """Poll so often; what was seen of the daemon meanwhile, twice a second."""
    seen: list[Seen] = []
    with (
        crowd(messages=1) as server,
        installation(server, mailboxes, every, _SESSIONS) as installed,
        Daemon(installed) as daemon,
    ):
        daemon.started()
        while not seen or seen[-1].polls < polls:
            time.sleep(_BETWEEN)
            daemon.look()
            seen.append(Seen(len(daemon.sessions), daemon.resident()))
        failed = sum(each["outcome"] != "ok" for each in daemon.sessions)
    if failed:
        raise click.ClickException(f"{failed} polls failed")
    return seen


def row(mailboxes: int, seen: Sequence[Seen]) -> tuple[str, ...]:
    """The figures beside the aim."""
    parts = [seen[round((len(seen) - 1) * part)].memory for part in (_SETTLED, 0.5, 1)]
    return (
        f"{mailboxes:,}",
        f"{seen[-1].polls:,}",
        *(f"{memory:.1f}" for memory in parts),
        f"{slope(seen):+.2f} (≤ {MOST})",
    )


@click.command("soak")
@click.option("--quick", is_flag=True, help=f"{FEW_POLLS:,} polls of each, in a minute or two.")
@click.option("--polls", type=click.IntRange(100), help=f"So many of each; otherwise {POLLS:,}.")
@click.option("--only", type=click.Choice(["20", "1000"]), help="So many mailboxes alone.")
def command(*, quick: bool, polls: int | None, only: str | None) -> None:
    """A daemon's memory over 50,000 polls, of 20 mailboxes and of 1,000: an hour."""
    table = Table("mailboxes", "polls", "MiB after a fifth", "half way", "at the end", "MiB for 10,000 polls")
    for mailboxes, every in ((20, 1), (1_000, 10)):
        if only in {None, str(mailboxes)}:
            most = polls or (FEW_POLLS if quick else POLLS)
            table.add_row(*row(mailboxes, soak(mailboxes, every, most)))
    Console(width=110).print(table)
