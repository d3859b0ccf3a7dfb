"""The descriptors: how many files this process may have open.

Owns how many are worth having. Must never open one.
"""

from __future__ import annotations

import resource
from contextlib import suppress

A_SESSION = 1024
"""So many are worth having for each session: if there are 16, `sink.durable` then syncs its most at once."""


def allow_for(sessions: int) -> None:
    """Let this process have as many as so many sessions can use, as far as it may have more than it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(A_SESSION * sessions, hard)
    if soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
