"""What a daemon with thousands of mailboxes costs, and how fast it drains a backlog in many of them.

Owns what is measured: `mailsluice run` in one process against `crowd` in another. It prints seconds, and
beside them CPU time, counts, and the shortest time that the round trips allow: other work on the machine
changes only the seconds. Must never trust the daemon's log for what is on the disk.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.installation import SLOW, Daemon, cpu, crowd, installation
from mailsluice.polling.schedule import IntervalTrigger, phase

_LATE = 1.0
"""Seconds after its point of time from which a poll is late."""
_SETTLED = 5.0
"""Seconds without a late poll after which the rush of a start is over."""
_RUSH = 180.0
"""Seconds after which it is no rush: so many polls do not fit into so many sessions."""
_MOST_CPU, _MOST_MEMORY = 0.25, 150
"""Of one core, and MiB, at the most, of a daemon with its mailboxes polled in time."""


def late_by(poll: dict[str, Any], every: int) -> float:
    """Seconds from the point of time a poll was due at to when it began."""
    interval, started = timedelta(seconds=every), _started(poll)
    trigger = IntervalTrigger(interval, phase(poll["mailbox"]))
    return (started - trigger.get_next_fire_time(None, started - interval)).total_seconds()


def _started(poll: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(poll["started"]).astimezone(UTC)


def _settled(daemon: Daemon, every: int) -> bool:
    """Whether the rush of the start is over: what was polled in the last seconds was polled in time."""
    since = datetime.now(UTC) - timedelta(seconds=_SETTLED)
    return all(_started(p) < since or late_by(p, every) < _LATE for p in daemon.sessions[-1000:])


def timetable(mailboxes: int, every: int, window: float, sessions: int, round_trip: float) -> Table:
    """So many mailboxes that begin with a message each, and then are empty."""
    table = Table(f"{mailboxes:,} mailboxes every {every} s", "", box=None)
    with (
        crowd(messages=1, round_trip=round_trip) as server,
        installation(server, mailboxes, every, sessions) as installed,
        Daemon(installed) as daemon,
    ):
        table.add_row("start, until it polls", f"{daemon.started():.1f} s, {daemon.cpu():.1f} s of CPU")
        once = daemon.wait_until(lambda: len({each["mailbox"] for each in daemon.sessions}) == mailboxes)
        table.add_row("then, until each has been polled", f"{once:.0f} s, {daemon.cpu():.1f} s of CPU")
        rush_ends = time.monotonic() + _RUSH
        daemon.wait_until(lambda: _settled(daemon, every) or time.monotonic() > rush_ends)
        skip, used, served, begun = len(daemon.sessions), daemon.cpu(), cpu(server["pid"]), time.monotonic()
        time.sleep(window)
        daemon.look()
        took, used, served = time.monotonic() - begun, daemon.cpu() - used, cpu(server["pid"]) - served
        polls = daemon.sessions[skip:]
        late = [late_by(poll, every) for poll in polls]
        table.add_row(
            f"CPU, of one core, in {took:.0f} s",
            f"{used / took:.1%} (≤ {_MOST_CPU:.0%}); the server {served / took:.1%}",
        )
        table.add_row("CPU of a poll", f"{used / len(polls) * 1000:.2f} ms")
        table.add_row("polls, due by the timetable", f"{len(polls):,}, {mailboxes / every * took:,.0f}")
        table.add_row(
            "late polls", f"{sum(each > _LATE for each in late)}; none by more than {max(late):.2f} s"
        )
        table.add_row("failed polls, since the start", _failures(daemon))
        table.add_row("memory", f"{daemon.memory()} (≤ {_MOST_MEMORY})")
        used = daemon.cpu()
        table.add_row(
            "reload, until it polls", f"{daemon.reload():.1f} s, {daemon.cpu() - used:.1f} s of CPU"
        )
        table.add_row("memory after it", daemon.memory())
    return table


def backlog(mailboxes: int, messages: int, sessions: int, round_trip: float) -> Table:
    """A backlog in many mailboxes that are far away, one of which dribbles."""
    table = Table(f"{messages} in each of {mailboxes} mailboxes at {round_trip * 1000:.0f} ms", "", box=None)
    options = {"messages": messages, "round_trip": round_trip, "slow": f"{SLOW}@acme.example"}
    with (
        crowd(**options) as server,
        installation(server, mailboxes, 10, sessions) as installed,
        Daemon(installed) as daemon,
    ):
        daemon.started()
        used = daemon.cpu()
        expected = (mailboxes - 1) * messages
        took = daemon.wait_until(
            lambda: sum(each["stored"] for each in daemon.sessions if each["mailbox"] != SLOW) >= expected
        )
        used = daemon.cpu() - used
        if (stored := installed.stored()) < expected:
            raise click.ClickException(f"the log tells of {expected} messages, and {stored} are there")
        bound = expected * 2 * round_trip / sessions
        table.add_row("drained, but for one that dribbles", f"{took:.1f} s")
        table.add_row(
            "two round trips each, over the sessions",
            f"{bound:.1f} s of {sessions}; {bound * sessions / (sessions - 1):.1f} s of the {sessions - 1} others",
        )
        table.add_row("CPU, of one core", f"{used / took:.0%}; of a message {used / expected * 1000:.2f} ms")
        table.add_row("failed polls", _failures(daemon))
        table.add_row("memory", daemon.memory())
        table.add_row("open files, at most", str(daemon.files))
    return table


def _failures(daemon: Daemon) -> str:
    failed = Counter(
        f"{each['outcome']}: {each['detail']}" for each in daemon.sessions if each["outcome"] != "ok"
    )
    return "\n".join(f"{times} {why}" for why, times in failed.items()) or "0"


@click.command()
@click.option("--quick", is_flag=True, help="As many polls a second, of fewer mailboxes and for less long.")
@click.option("--only", type=click.Choice(["1000", "5000", "backlog"]), help="One of the three.")
@click.option("--window", default=90.0, help="Seconds of the timetable that are measured.")
@click.option("--sessions", default=16, help="max_sessions.")
@click.option("--round-trip", type=float, help="Seconds; otherwise 0, and 0.04 for the backlog.")
def scale(*, quick: bool, only: str | None, window: float, sessions: int, round_trip: float | None) -> None:
    """A daemon of thousands of mailboxes, and a backlog in a hundred."""
    near, far = (0.0, 0.04) if round_trip is None else (round_trip, round_trip)
    measures: dict[str, Callable[[], Table]] = {
        "1000": lambda: timetable(1000, 60, window, sessions, near),
        "5000": lambda: timetable(5000, 300, window, sessions, near),
        "backlog": lambda: backlog(100, 100, sessions, far),
    }
    if quick:
        measures = {
            "1000": lambda: timetable(250, 15, 15.0, sessions, near),
            "backlog": lambda: backlog(100, 10, sessions, far),
        }
    if only not in {None, *measures}:
        raise click.UsageError(f"the quick form has no {only}")
    console = Console(width=110)
    for name, measure in measures.items():
        if only in {None, name}:
            console.print(measure(), "")
