"""The layout: a text of steps, for a terminal and as Markdown.

Owns how paragraphs, commands and tables look in both. In a paragraph `*name*` is what a page or a button is
called, as in Markdown. Must never know what a step is about.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

WIDTH = 100
"""Columns of a terminal that a text needs at most, if no value in it is longer."""
_INDENT = "   "
_NAME = re.compile(r"\*([^*`\n]+)\*")
_CODE = re.compile(r"`[^`\n]+`")
_JOINT = "\N{NO-BREAK SPACE}"
_MARKUP = str.maketrans({"<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True, slots=True)
class Code:
    """Lines to copy. `language` is what Markdown calls it."""

    language: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head. All have as many cells as the head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, with paragraphs, commands and tables in their order."""

    title: str
    parts: tuple[str | Code | Table, ...]


def plain(steps: Iterable[Step]) -> str:
    """The steps for a terminal, with numbers. It ends with a line end."""
    blocks = []
    for number, step in enumerate(steps, 1):
        body = "\n\n".join(_plain(part) for part in step.parts)
        blocks.append(f"{number}. {step.title}\n\n{body}\n")
    return "\n".join(blocks)


def markdown(steps: Iterable[Step], *, numbered: bool = True, level: int = 2) -> str:
    """The steps as Markdown, each under a heading of this level. It ends with a line end."""
    blocks = []
    for number, step in enumerate(steps, 1):
        count = f"{number}. " if numbered else ""
        body = "\n\n".join(_marked(part) for part in step.parts)
        blocks.append(f"{'#' * level} {count}{step.title}\n\n{body}\n")
    return "\n".join(blocks)


def paragraph(text: str) -> str:
    """A paragraph of Markdown, broken into lines as the manual's are."""
    return "\n".join(_lines(text, 120))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown. Cells are Markdown themselves."""
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in lines)


def cell(text: str) -> str:
    """The text as it stands in a table of Markdown."""
    return _escaped(text).replace("|", "\\|")


def _escaped(text: str) -> str:
    """The text as Markdown has it: nothing but names and code has a meaning."""
    pieces = text.split("`")
    pieces[::2] = [piece.replace(" > ", " → ").translate(_MARKUP) for piece in pieces[::2]]
    return "`".join(pieces)


def _plain(part: str | Code | Table) -> str:
    if isinstance(part, str):
        return "\n".join(f"{_INDENT}{line}" for line in _lines(_NAME.sub(r"\1", part), WIDTH - len(_INDENT)))
    if isinstance(part, Code):
        return "\n".join(f"{_INDENT * 2}{line}".rstrip() for line in part.lines)
    return "\n".join(_columns(part))


def _columns(part: Table) -> Iterator[str]:
    rows = [tuple(_NAME.sub(r"\1", cell) for cell in row) for row in (part.head, *part.rows)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(part.head))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"{_INDENT * 2}{'  '.join(cells)}".rstrip()


def _marked(part: str | Code | Table) -> str:
    if isinstance(part, str):
        return paragraph(_escaped(part))
    if isinstance(part, Code):
        return "\n".join([f"```{part.language}", *part.lines, "```"])
    return table(part.head, [[cell(text) for text in row] for row in part.rows])


def _lines(text: str, width: int) -> list[str]:
    """The text in lines. Code in it is never broken: who copies it copies a line."""
    whole = _CODE.sub(lambda code: code[0].replace(" ", _JOINT), text)
    lines = textwrap.wrap(whole, width, break_long_words=False, break_on_hyphens=False)
    return [line.replace(_JOINT, " ") for line in lines]
