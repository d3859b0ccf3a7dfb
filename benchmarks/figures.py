"""The figures of each run, and their medians and ratios.

Owns the calculations, and the form in which figures are kept. Must never measure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

from benchmarks import ROOT
from benchmarks.process import Cost

LAST_RUN = ROOT / "build" / "bench" / "fetch.json"
"""Where those of a whole run are kept, if nowhere else is said."""

REFERENCE = "mpop"
"""Whom everybody is compared with."""


class Aim(NamedTuple):
    """What a tool's figure in a scenario may be at the most: of the `Row`, that of this name."""

    tool: str
    figure: Literal["ratio", "asked", "waited", "memory"]
    most: float


@dataclass(frozen=True)
class Run:
    """What one fetch cost; `round_trips` where the line counted them."""

    cost: Cost
    round_trips: int | None


@dataclass
class Result:
    """The runs of one tool in one scenario; where one failed, why: then those before it do not count either."""

    runs: list[Run] = field(default_factory=list)
    failure: str = ""
    left_out: bool = False

    @property
    def counts(self) -> bool:
        """Whether it ran, and every run was good."""
        return bool(self.runs) and not self.failure

    def middle(self, figure: Callable[[Run], float]) -> float:
        """The median of one figure."""
        return median(figure(run) for run in self.runs)

    @property
    def wall(self) -> float:
        """Seconds, the median."""
        return self.middle(lambda run: run.cost.wall)

    @property
    def spread(self) -> tuple[float, float]:
        """The quickest and the slowest, in seconds."""
        seconds = [run.cost.wall for run in self.runs]
        return min(seconds), max(seconds)

    @property
    def cpu(self) -> float:
        """Seconds, the median."""
        return self.middle(lambda run: run.cost.cpu)

    @property
    def memory(self) -> int:
        """Octets, the most of all runs."""
        return max(run.cost.memory for run in self.runs)


@dataclass
class Row:
    """A scenario's results, by tool.

    `round_trip` is the line's, in seconds. What is `kept` is compared by CPU time, all else by the clock.
    """

    name: str
    title: str
    messages: int
    round_trip: float = 0.0
    kept: bool = False
    results: dict[str, Result] = field(default_factory=dict)

    def seconds(self, tool: str) -> float:
        """What a tool is compared by: the median."""
        return self.results[tool].middle(self._compared)

    def ratio(self, tool: str) -> float | None:
        """A tool's time over the reference's; None where one of them has none.

        The median of the rounds: what runs in the same round has the same neighbours on the machine.
        """
        return self._ratio(tool, self._compared)

    def wall_ratio(self, tool: str) -> float | None:
        """The same by the clock, whatever it is compared by."""
        return self._ratio(tool, lambda run: run.cost.wall)

    def cpu_ratio(self, tool: str) -> float | None:
        """The same of CPU time."""
        return self._ratio(tool, lambda run: run.cost.cpu)

    def asked(self, tool: str) -> float | None:
        """Round trips a message, as the line counted them, over all of a tool's connections; the median."""
        result = self.results[tool]
        counted = [run.round_trips for run in result.runs if run.round_trips is not None and result.counts]
        return median(counted) / self.messages if counted else None

    def waited(self, tool: str) -> float | None:
        """The time by the clock, all of it, in round trips a message; the median."""
        if not self.round_trip or not self.results[tool].counts:
            return None
        return self.results[tool].wall / self.round_trip / self.messages

    def memory(self, tool: str) -> float | None:
        """MiB, the most of all runs."""
        result = self.results[tool]
        return result.memory / 2**20 if result.counts else None

    def _compared(self, run: Run) -> float:
        return run.cost.cpu if self.kept else run.cost.wall

    def _ratio(self, tool: str, figure: Callable[[Run], float]) -> float | None:
        results = [self.results.get(name, Result()) for name in (tool, REFERENCE)]
        ours, theirs = (result.runs if result.counts else [] for result in results)
        # Slow tools have fewer rounds, and these are the first ones.
        ratios = [figure(one) / figure(other) for one, other in zip(ours, theirs, strict=False)]
        return median(ratios) if ratios else None


def shown(seconds: float) -> str:
    """In as many digits as are worth it."""
    if seconds < 0.1:
        return f"{seconds:.3f}"
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}"


def circumstances(about: Mapping[str, str], rows: Sequence[Row]) -> str:
    """When and on what it was measured, and how often."""
    runs = {len(result.runs) for row in rows for result in row.results.values() if result.counts} or {0}
    often = f"{min(runs)}-{max(runs)}" if len(runs) > 1 else str(max(runs))
    return (
        f"{about['when']}, {about['cores']} cores, {about['disk']}, Python {about['python']}, runs: {often}"
    )


def save(rows: Sequence[Row], about: Mapping[str, str], path: Path) -> None:
    """Write everything that was measured, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"about": about, "rows": [asdict(row) for row in rows]}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def load(path: Path) -> tuple[list[Row], dict[str, str]]:
    """What `save` wrote: the rows, and what is to be known about them."""
    text = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        Row(
            row["name"],
            row["title"],
            row["messages"],
            row["round_trip"],
            row["kept"],
            {
                tool: Result(
                    [Run(Cost(**run["cost"]), run["round_trips"]) for run in result["runs"]],
                    result["failure"],
                    result["left_out"],
                )
                for tool, result in row["results"].items()
            },
        )
        for row in text["rows"]
    ]
    return rows, text["about"]
