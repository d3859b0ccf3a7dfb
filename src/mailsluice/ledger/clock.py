"""The ledger's clock: the time by which ages are measured. Setting the machine's clock does not change it.

Owns how much time passed, within a process and between two processes, and the columns in which a process
leaves its time for the next one. Must never be shown to people as the time of day: it started as that, but
the machine's clock may have been set since (docs/adr/0005-the-ledgers-clock.md).
"""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailsluice.clock import BootClock
from mailsluice.ledger.times import from_micros, to_micros

LONGEST_ABSENCE = timedelta(days=1)
"""The most time that a restart of the machine counts for, whatever its clock says afterwards.

So no message becomes old because the clock was wrong after a restart. If the machine was off for longer than
this, its messages stay longer on the server.
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """The ledger's time, and what the machine's clocks said then. `uptime` is in seconds since `boot`."""

    time: datetime
    wall: datetime
    boot: str
    uptime: float


class LedgerClock:
    """Goes on from the moment that was noted last, or else from the time of day. Threads may share it."""

    def __init__(self, clock: BootClock, last: Moment | None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        boot, uptime = clock.uptime()
        wall = clock.now()
        self._latest = Moment(wall, wall, boot, uptime) if last is None else last

    def moment(self) -> Moment:
        """Now. If it is noted, a later process can go on from it. It is never before an earlier one."""
        with self._lock:
            boot, uptime = self._clock.uptime()
            wall, last = self._clock.now(), self._latest
            if boot == last.boot:  # then the uptime tells how much passed, and nobody can set that
                passed = timedelta(seconds=uptime - last.uptime)
            else:
                passed = min(wall - last.wall, LONGEST_ABSENCE)
            # Negative if the machine's clock was set back between two boots: then no time passed.
            self._latest = Moment(last.time + max(passed, timedelta()), wall, boot, uptime)
            return self._latest


def noted(connection: sqlite3.Connection) -> Moment | None:
    """The moment that was noted last; None if the ledger has none yet."""
    time, wall, boot, uptime = connection.execute("SELECT time, wall, boot, uptime FROM ledger").fetchone()
    return None if time is None else Moment(from_micros(time), from_micros(wall), boot, uptime / 1e6)


def note(connection: sqlite3.Connection, moment: Moment) -> None:
    """Note the moment, inside the caller's transaction."""
    connection.execute(
        "UPDATE ledger SET time = ?, wall = ?, boot = ?, uptime = ?",
        (to_micros(moment.time), to_micros(moment.wall), moment.boot, round(moment.uptime * 1e6)),
    )
