"""The clock: the one place that reads the time.

Owns the difference between wall-clock time (what a person writes down), monotonic time (what a deadline
is measured by) and uptime (what outlives a process, and no setting of the clock moves). Must never be
asked by `policy` or the protocol core: they are given the time.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """What the rest of the program may ask about time."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never steps backward."""
        ...


class BootClock(Protocol):
    """What the ledger asks, which must know how much time passed between two processes."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        ...

    def uptime(self) -> tuple[str, float]:
        """A name for this start of the machine, and the seconds since it, those of sleep included."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never steps backward."""
        return time.monotonic()

    def uptime(self) -> tuple[str, float]:
        """A name for this start of the machine, and the seconds since it, those of sleep included.

        Where the kernel does not tell, the name is this process's own.
        """
        return _boot(), time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return secrets.token_hex(16)
