"""What was measured: each run's figures, and what they come to.

Owns the sums and the form in which they are kept; must never measure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import ROOT
from benchmarks.process import Cost

FIGURES = ROOT / "build" / "bench" / "fetch.json"
"""Where they are kept, if nowhere else is said."""

REFERENCE = "mpop"
"""Whom everybody is compared with."""


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

    @property
    def round_trips(self) -> int | None:
        """The median, where they were counted."""
        counted = [run.round_trips for run in self.runs if run.round_trips is not None]
        return round(median(counted)) if counted else None


@dataclass
class Row:
    """A scenario's results, by tool."""

    name: str
    title: str
    messages: int
    results: dict[str, Result] = field(default_factory=dict)

    def ratio(self, tool: str) -> float | None:
        """A tool's time over the reference's; None where one of them has none.

        The median of the rounds: what runs one after the other has the same neighbours on the machine.
        """
        return self._ratio(tool, lambda run: run.cost.wall)

    def cpu_ratio(self, tool: str) -> float | None:
        """The same of CPU time."""
        return self._ratio(tool, lambda run: run.cost.cpu)

    def _ratio(self, tool: str, figure: Callable[[Run], float]) -> float | None:
        results = [self.results.get(name, Result()) for name in (tool, REFERENCE)]
        ours, theirs = (result.runs if result.counts else [] for result in results)
        # The slow ones have fewer rounds: the first ones.
        ratios = [figure(one) / figure(other) for one, other in zip(ours, theirs, strict=False)]
        return median(ratios) if ratios else None


def circumstances(about: Mapping[str, str], rows: Sequence[Row]) -> str:
    """When and on what it was measured, and how often."""
    rounds = {max((len(result.runs) for result in row.results.values()), default=0) for row in rows} or {0}
    often = f"{min(rounds)}-{max(rounds)}" if len(rounds) > 1 else str(max(rounds))
    return f"{about['when']}, {about['cores']} cores, Python {about['python']}, rounds: {often}"


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
