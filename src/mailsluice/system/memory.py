"""The memory of this process: it holds secrets, and nobody else may read it.

Owns what keeps it from being written to a disk. Must never matter for anything else: if the system cannot do
this, the program goes on without a word.

Two things are needed. A limit of zero octets stops a core file, but not a core that the kernel pipes to a
program, such as systemd-coredump: that ignores the limit (core(5)). A process that is not "dumpable" has no
core at all, and no other process of the same user can read its memory (prctl(2), PR_SET_DUMPABLE).
"""

from __future__ import annotations

import resource
from contextlib import suppress

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def keep_private() -> bool:
    """Let this process leave no core. Returns whether the system knows how to forbid it completely.

    Programs that it starts are dumpable again (execve(2)), but they inherit the limit.
    """
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import ctypes  # noqa: PLC0415  only the real program needs it

    try:
        return bool(ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False
