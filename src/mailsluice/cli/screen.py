"""The screen: the progress of a poll, and tables, for a person at a terminal.

Owns what rich draws. Must never be imported if there is nothing to draw: rich takes long to load.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mailsluice.model import MailboxKey
from mailsluice.obs.clean import printable
from mailsluice.polling.under_way import UnderWay

_WIDEST = 10_000
"""Columns of a table that goes to a file or a pipe."""


@contextmanager
def bars(under_way: UnderWay, names: Mapping[MailboxKey, str]) -> Iterator[None]:
    """Bars on standard error, one for each mailbox that fetches, while this lasts."""
    console = Console(stderr=True)
    with Live(get_renderable=lambda: drawn(under_way, names), console=console, transient=True):
        yield


def drawn(under_way: UnderWay, names: Mapping[MailboxKey, str]) -> RenderableType:
    """A bar for each mailbox that has mail to fetch."""
    grid = Table.grid(padding=(0, 1))
    for key, running in under_way.now().items():
        if running.messages:
            grid.add_row(
                names[key],
                ProgressBar(total=running.messages, completed=running.message, width=40),
                f"{running.message}/{running.messages}",
                f"{running.octets:,} octets",
            )
    return grid if grid.row_count else Group()


def print_table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Print a table: as wide as the terminal, or as wide as its text for a file or a pipe."""
    table = Table(*(column.replace("_", " ") for column in columns), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(printable(str(row[column]))) for column in columns))
    Console(highlight=False, width=None if sys.stdout.isatty() else _WIDEST).print(table, soft_wrap=True)
