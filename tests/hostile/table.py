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

A whole poll meets each of these servers (`session.run.poll`, a real ledger, a real spool, a TLS connection on
loopback). It runs in its own process, while another mailbox of the same ledger is polled beside it.
`make test-hostile` runs all cases and writes this page. `make test` runs those that stand for a kind of server, and
two of five of the others. In each case the following must be true:

- If the server makes us wait, the poll ends at most 1.5 s after the one deadline that the server uses up. The test
  shortens that deadline to 1 s. For any other server the poll ends within 9 s, and no deadline is shorter than 10 s.
- The poll takes at most 32 MiB more than the idle process. This includes the other mailbox's poll.
- The other mailbox's mail is stored as usual.
- Every octet of a message is as RFC 1939 §3 says, for what the server sent.
- When the server behaves again, the next poll ends well, and every message is in the spool once. If that is another
  number than the server had at first, the row says so.

A mailbox that was polled before the server became hostile has nothing new to store.
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
