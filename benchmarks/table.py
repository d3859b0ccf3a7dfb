"""The tables that are printed: one for each scenario when it is measured, and one of all at the end.

Owns the words and columns. Must never measure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from benchmarks.figures import Aim, Result, Row, circumstances, shown


def of_one(row: Row) -> Table:
    """A scenario: a line for each tool."""
    table = Table(title=row.title, title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for column in ("runs", "seconds", "fastest-slowest", "x mpop", "CPU s", "CPU x mpop", "MiB"):
        table.add_column(column, justify="right")
    if row.round_trip:
        table.add_column("round trips a message", justify="right")
        table.add_column("by the clock", justify="right")
    for tool, result in row.results.items():
        if not result.counts:
            table.add_row(tool, _why(result, 40))
            continue
        fastest, slowest = result.spread
        table.add_row(
            tool,
            str(len(result.runs)),
            shown(result.wall),
            f"{shown(fastest)}-{shown(slowest)}",
            _ratio(row.wall_ratio(tool)),
            shown(result.cpu),
            _ratio(row.cpu_ratio(tool)),
            f"{result.memory / 2**20:.0f}",
            *((_ratio(row.asked(tool)), _ratio(row.waited(tool))) if row.round_trip else ()),
        )
    return table


def of_all(rows: Sequence[Row], about: Mapping[str, str]) -> Table:
    """A line for each scenario: medians in seconds, and how often mpop's time that is.

    `about` is what `figures.save` is given.
    """
    tools = list(dict.fromkeys(tool for row in rows for tool in row.results))
    title = f"seconds (x mpop); {circumstances(about, rows)}\n{about['tools']}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("fetch and delete")
    for tool in tools:
        table.add_column(tool, justify="right")
    for row in rows:
        title = f"{row.title}: CPU" if row.kept else row.title
        table.add_row(title, *(_cell(row, tool) for tool in tools))
    return table


def of_aims(rows: Sequence[Row], aims: Mapping[str, Sequence[Aim]]) -> Table:
    """A line for each aim of the scenarios, by their names, and whether it is met."""
    table = Table(title="aims", title_justify="left", box=None, pad_edge=False)
    for column in ("", "", "", "at most", "measured", ""):
        table.add_column(column)
    for row in rows:
        for aim in aims.get(row.name, ()):
            if aim.tool in row.results:
                table.add_row(row.title, aim.tool, _WORDS[aim.figure], f"{aim.most:.2f}", *_held(row, aim))
    return table


_WORDS = {
    "ratio": "times mpop",
    "asked": "round trips a message",
    "waited": "round trips a message, by the clock",
    "memory": "MiB",
}


def _held(row: Row, aim: Aim) -> tuple[str, str]:
    figures = {"ratio": row.ratio, "asked": row.asked, "waited": row.waited, "memory": row.memory}
    measured = figures[aim.figure](aim.tool)
    if measured is None:
        return "", "not measured"
    return f"{measured:.2f}", "met" if measured <= aim.most else "missed"


def _cell(row: Row, tool: str) -> str:
    result = row.results.get(tool)
    if result is None:
        return ""
    if not result.counts:
        return "-" if result.left_out else _why(result, 20)
    ratio = row.ratio(tool)
    return shown(row.seconds(tool)) + (f" ({ratio:.2f})" if ratio else "")


def _why(result: Result, room: int) -> str:
    """Why it does not count, in so many characters."""
    said = result.failure.splitlines()[0]
    return said if len(said) <= room else f"{said[: room - 1]}…"


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"
