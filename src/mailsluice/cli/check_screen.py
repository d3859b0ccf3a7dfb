"""The screen of a check: the steps that go on, with their seconds, below those that have ended.

Owns what rich draws. Must never be imported if there is no terminal: rich takes long to load.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from mailsluice.checking.steps import Line, Step
from mailsluice.cli.check_text import Lines

_MOST = 5
"""Running steps that are shown at once."""


@dataclass(frozen=True, slots=True)
class _Running:
    subject: str
    step: Step
    begun: float


class Screen:
    """Draws the steps of one check. Called by one thread at a time, while rich draws in another."""

    def __init__(self, lines: Lines, console: Console, seconds: Callable[[], float] = monotonic) -> None:
        self._lines = lines
        self._console = console
        self._seconds = seconds
        self._running: list[_Running] = []

    def began(self, subject: str, step: Step) -> None:
        """Show the step among those that go on."""
        self._running.append(_Running(subject, step, self._seconds()))

    def ended(self, line: Line) -> None:
        """Print the step's line for good."""
        begun = self._seconds() - line.seconds
        same = [one for one in self._running if (one.subject, one.step) == (line.subject, line.step)]
        if same:  # one server may be tried on two ways at once, and one program for two mailboxes
            self._running.remove(min(same, key=lambda one: abs(one.begun - begun)))
        self._console.print(Text.from_ansi(self._lines.ended(line)), soft_wrap=True)

    def drawn(self) -> RenderableType:
        """The steps that go on now, and for how many seconds."""
        now = self._seconds()
        running = self._running.copy()
        texts = [
            Text(
                f"{self._lines.begun(one.subject, one.step)}  ...{'':11}{now - one.begun:6.1f} s", style="dim"
            )
            for one in running[:_MOST]
        ]
        more = len(running) - _MOST
        return Group(*texts, *([Text(f"and {more} more", style="dim")] if more > 0 else []))


@contextmanager
def live(lines: Lines, *, on_error_stream: bool) -> Iterator[Screen]:
    """A screen that is drawn several times a second while this lasts."""
    console = Console(stderr=on_error_stream, highlight=False)
    screen = Screen(lines, console)
    with Live(get_renderable=screen.drawn, console=console, transient=True, refresh_per_second=4):
        yield screen
