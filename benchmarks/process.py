"""A process run to its end, and what it cost: time, CPU time and memory.

Owns how that is measured; must never know what it runs.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


@dataclass(frozen=True)
class Cost:
    """Seconds of the clock and of CPU (user and system, children included), octets of memory at the most, and
    the exit code: negative for a signal."""

    wall: float
    cpu: float
    memory: int
    code: int


def measure(arguments: Sequence[str | Path], environment: Mapping[str, str], log: Path, patience: float) -> Cost:
    """Run to the end, or for `patience` seconds; what is printed goes to `log`.

    A shell starts it and leaves it to us. For Linux counts as a process's memory what its parent had when it
    was started by vfork(2), and this parent is a large one.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    script = 'log=$1; shift; "$@" >"$log" 2>&1 & echo $!'
    begun = time.monotonic()
    shell = subprocess.run(
        ["/bin/sh", "-c", script, "sh", log, *arguments],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
    )
    process = int(shell.stdout)
    impatience = threading.Timer(patience, os.kill, (process, signal.SIGKILL))
    impatience.start()
    try:
        _, status, usage = os.wait4(process, 0)
    except BaseException:
        os.kill(process, signal.SIGKILL)
        os.wait4(process, 0)
        raise
    finally:
        impatience.cancel()
    return Cost(
        wall=time.monotonic() - begun,
        cpu=usage.ru_utime + usage.ru_stime,
        memory=usage.ru_maxrss * 1024,
        code=os.waitstatus_to_exitcode(status),
    )
