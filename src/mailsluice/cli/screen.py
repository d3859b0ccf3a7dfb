"""The screen: how far a poll has come and what came of it, for somebody who looks at a terminal.

Owns what rich draws: a poll's bars, and tables. Must never be imported where nobody looks: these are only
for them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from mailsluice.obs.clean import printable

_WIDEST = 10_000
"""Columns, for who does not see it on a screen."""


class Bars:
    """A bar for each mailbox that has mail to fetch."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def planned(self, mailbox: str, messages: int) -> None:
        """So many messages are to be fetched."""
        if messages:
            self._tasks[mailbox] = self._progress.add_task(mailbox, total=messages, octets=0)

    def arrived(self, mailbox: str, octets: int) -> None:
        """One message of so many octets has come."""
        task = self._tasks[mailbox]
        so_far = self._progress.tasks[task].fields["octets"] + octets
        self._progress.update(task, advance=1, octets=so_far)


@contextmanager
def bars() -> Iterator[Bars]:
    """Bars on standard error, which are gone in the end."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[octets]:,} octets"),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        yield Bars(progress)


def print_table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """A table on standard output: as wide as the terminal, and for a file or a pipe as wide as its text."""
    table = Table(*(column.replace("_", " ") for column in columns), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(printable(str(row[column]))) for column in columns))
    Console(highlight=False, width=None if sys.stdout.isatty() else _WIDEST).print(table, soft_wrap=True)
