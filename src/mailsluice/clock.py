"""The clock: the one place that reads the time.

Owns the difference between three times: wall-clock time, which people read; monotonic time, which deadlines
are measured by; and uptime, which goes on from one process to the next and which setting the clock does not
change. Must never be used by `policy` or the protocol core: they are given the time.
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
    """What the ledger may ask about time. It must know how much time passed between two processes."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        ...

    def uptime(self) -> tuple[str, float]:
        """A name for this boot of the machine, and the seconds since then, including those in sleep."""
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
        """A name for this boot of the machine, and the seconds since then, including those in sleep.

        If the kernel gives no name, it is a random one that only this process has.
        """
        return _boot(), time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return secrets.token_hex(16)  # then two processes never count as one boot, which is the safe error
