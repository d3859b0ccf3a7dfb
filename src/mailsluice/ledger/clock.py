"""The ledger's clock: what ages are measured by, which no setting of the machine's clock moves.

Owns the reckoning of how much time passed, within a process and between two. Must never be shown to people
as the time of day: it began as that, and goes its own way when the machine's clock is set
(docs/adr/0005-the-ledgers-clock.md).
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import NamedTuple

from mailsluice.clock import BootClock

LONGEST_ABSENCE = timedelta(days=1)
"""The most that passes while the machine is started anew, whatever its clock says afterwards.

A clock that was lost or set meanwhile then makes no message old; a machine that was off for longer makes
its messages stay for longer.
"""


class Moment(NamedTuple):
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
