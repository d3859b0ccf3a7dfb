"""The descriptors: how many files this process may have open.

Owns how many are useful. Must never open one.
"""

from __future__ import annotations

import resource
from contextlib import suppress

A_SESSION = 1024
"""Useful descriptors for each session. With 16 sessions, `sink.durable` can then sync as many as it wants."""


def allow_for(sessions: int) -> None:
    """Raise this process's limit to what `sessions` sessions can use, as far as the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(A_SESSION * sessions, hard)
    if soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
