"""The ledger's clock: what ages are measured by, which no setting of the machine's clock moves.

Owns the reckoning of how much time passed, within a process and between two, and the columns in which a
process leaves it for the next one. Must never be shown to people as the time of day: it began as that, and
goes its own way when the machine's clock is set (docs/adr/0005-the-ledgers-clock.md).
"""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailsluice.clock import BootClock
from mailsluice.ledger.times import from_micros, to_micros

LONGEST_ABSENCE = timedelta(days=1)
"""The most that passes while the machine is started anew, whatever its clock says afterwards.

A clock that was lost or set meanwhile then makes no message old; a machine that was off for longer makes
its messages stay for longer.
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """The ledger's time, and what the machine's clocks said then; `uptime` in seconds since `boot`."""

    time: datetime
    wall: datetime
    boot: str
    uptime: float


class LedgerClock:
    """Goes on from the moment last noted; from the time of day if there is none. Safe among threads."""

    def __init__(self, clock: BootClock, last: Moment | None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        boot, uptime = clock.uptime()
        wall = clock.now()
        self._latest = Moment(wall, wall, boot, uptime) if last is None else last

    def moment(self) -> Moment:
        """Now, to be noted so that a later process can go on from it. Never before an earlier one."""
        with self._lock:
            boot, uptime = self._clock.uptime()
            wall, last = self._clock.now(), self._latest
            if boot == last.boot:
                passed = timedelta(seconds=uptime - last.uptime)
            else:
                passed = min(wall - last.wall, LONGEST_ABSENCE)
            self._latest = Moment(last.time + max(passed, timedelta()), wall, boot, uptime)
            return self._latest


def noted(connection: sqlite3.Connection) -> Moment | None:
    """The moment that was noted last; None in a ledger that has none yet."""
    time, wall, boot, uptime = connection.execute("SELECT time, wall, boot, uptime FROM ledger").fetchone()
    return None if time is None else Moment(from_micros(time), from_micros(wall), boot, uptime / 1e6)


def note(connection: sqlite3.Connection, moment: Moment) -> None:
    """Note the moment, inside the caller's transaction."""
    connection.execute(
        "UPDATE ledger SET time = ?, wall = ?, boot = ?, uptime = ?",
        (to_micros(moment.time), to_micros(moment.wall), moment.boot, round(moment.uptime * 1e6)),
    )
