"""The table of the corpus as measured: docs/hostile.md.

Owns its form. Must never measure anything itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hostile.case import Case
from hostile.corpus import THEMES
from hostile.world import Seen

MEASURED = "measured"
"""The name under which a test reports its row."""

PLACE = Path(__file__).parents[2] / "docs" / "hostile.md"

_INTRODUCTION = """\
# Hostile servers

Each of these servers was met by a whole poll (`session.run.poll`, a real ledger, a real spool, a TLS connection on
loopback) in a process forked for it, while another mailbox of the same ledger was polled beside it. `make test-hostile`
plays them all and writes this page; `make test` plays those that stand for a kind of server, and two of five of the
others. For each it is required that

- the poll of a server that lets us wait ends no later than 1.5 s after the one deadline that it draws out, shortened to
  1 s for this; of any other, within 9 s, while no deadline is shorter than 10 s;
- it takes no more than 32 MiB above what the idle process has, the neighbour's poll included;
- the neighbour's mail is stored as if nothing was the matter;
- no octet of a message differs from what RFC 1939 §3 makes of what was sent;
- once the server behaves, the next poll ends well, and every message is in the spool once. Where that is another number
  than the server had at first, its row says so.

A case whose mailbox had been polled before the server turned hostile has nothing new to store.
"""

_HEAD = "| the server | ended after | above idle | stored | reported |\n|---|--:|--:|--:|---|\n"


def row(case: Case, seen: Seen) -> str:
    """One line: what the server did, and what became of the poll."""
    total = len(case.mail)
    stored = "known" if case.known or case.refused else f"{seen.stored} of {total}"
    if case.remain:
        stored += f"; {case.remain} stays there"
    also = sorted(seen.events - {"session"})
    reported = ", ".join((f"`{seen.outcome}`", *also))
    return (
        f"| {case.name} | {seen.seconds:.1f} s | {seen.above_idle / 1024:.1f} MiB | {stored} | {reported} |"
    )


def write(rows: Mapping[str, str]) -> None:
    """Write the page, from a row for each case by its name."""
    parts = [_INTRODUCTION]
    for theme, cases in THEMES.items():
        lines = "".join(f"{rows[case.name]}\n" for case in cases)
        parts.append(f"\n## {theme}\n\n{_HEAD}{lines}")
    PLACE.write_text("".join(parts))
