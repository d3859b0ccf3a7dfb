"""The scenarios: what is fetched, over which line, and by which tools. They are the rows of the table.

Owns the full list and the quick list. Must never run them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from benchmarks.figures import Aim
from benchmarks.mail import Load

_OURS = ("floor", "mailsluice", "mpop")
_ALL = (*_OURS, "fdm", "fetchmail", "getmail6")
_SHARE = {"fdm": 0.4, "fetchmail": 0.2, "getmail6": 0.2}
"""Of the rounds: the slow ones run less often, since the rest waits for them."""


@dataclass(frozen=True)
class Scenario:
    """A load, fetched and deleted by each of the `tools` in turn, `rounds` times.

    `round_trip` is that of the line, in seconds; `pipelining` whether the server advertises it. Of what is
    `kept`, the poll after the one that fetched it all is measured, which finds nothing new.
    """

    name: str
    title: str
    load: Load
    tools: Sequence[str]
    rounds: int
    round_trip: float = 0.0
    pipelining: bool = True
    kept: bool = False
    aims: Sequence[Aim] = ()

    def rounds_of(self, tool: str) -> int:
        """How often this tool runs: twice at the least, where others do."""
        return min(self.rounds, max(2, ceil(self.rounds * _SHARE.get(tool, 1))))


_SMALL = Load("small", 5_000)
_MIXED = Load("mixed", 500, pdf_every=5)
_MANY = Load("many", 2_000, pdf_every=5)
_BIG = Load("big", 20, octets=20_000_000)
_HUGE = Load("huge", 1, octets=200_000_000)

_MEMORY = 64
"""MiB, at the most."""


def _aims(ratio: float, tool: str = "mailsluice") -> tuple[Aim, ...]:
    return Aim(tool, "ratio", ratio), Aim(tool, "memory", _MEMORY)


FULL = (
    Scenario(
        "small",
        "5,000 of 3-8 KB",
        _SMALL,
        (*_ALL[:2], "mailsluice-spool", *_ALL[2:]),
        5,
        aims=(*_aims(0.65), *_aims(1.0, "mailsluice-spool")),
    ),
    Scenario("mixed", "500 mixed", _MIXED, _ALL, 5),
    Scenario("many", "2,000 mixed", _MANY, _ALL, 3, aims=_aims(1.0)),
    Scenario("big", "20 of 20 MB", _BIG, _ALL, 3, aims=_aims(1.1)),
    Scenario("huge", "one of 200 MB", _HUGE, _ALL, 3, aims=(Aim("mailsluice", "memory", _MEMORY),)),
    Scenario("far", "500 mixed at 40 ms", _MIXED, _ALL, 3, round_trip=0.04, aims=_aims(1.0)),
    Scenario(
        "lockstep",
        "500 mixed at 40 ms, no PIPELINING",
        _MIXED,
        ("floor", "mailsluice", "mailsluice-4", "mpop"),
        3,
        round_trip=0.04,
        pipelining=False,
        aims=(Aim("mailsluice", "asked", 2.1), Aim("mailsluice-4", "waited", 0.6)),
    ),
    Scenario("idle", "nothing new, 5,000 kept", _SMALL, _ALL[1:], 3, kept=True),
)
"""In the order of the table, as is each list of tools."""

QUICK = (
    Scenario(
        "small",
        "1,000 of 3-8 KB",
        replace(_SMALL, count=1_000),
        ("floor", "mailsluice", "mailsluice-spool", "mpop"),
        2,
    ),
    Scenario("big", "5 of 20 MB", replace(_BIG, count=5), _OURS, 1),
    Scenario("huge", "one of 200 MB", _HUGE, _OURS, 1),
    Scenario("far", "500 mixed at 40 ms", _MIXED, _OURS, 1, round_trip=0.04),
    replace(
        FULL[-2],
        title="64 mixed at 20 ms, no PIPELINING",
        load=Load("few", 64, pdf_every=5),
        rounds=1,
        round_trip=0.02,
        aims=(),
    ),
)
"""Less of each, and without the slow ones: what takes no time shows in the ratios, and no aim is held to them."""
