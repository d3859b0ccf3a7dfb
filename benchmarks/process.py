"""Runs a process to its end, and measures its cost: time, CPU time and memory.

Owns how this is measured. Must never know what it runs.
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

_BACKGROUND = """
log=$1
shift
exec 3<&0
{ read -r begin; exec "$@" </dev/null >"$log" 2>&1 3<&-; } <&3 &
echo $!
"""


@dataclass(frozen=True)
class Cost:
    """What a process took.

    Seconds of the clock and of CPU (user and system, children included), octets of memory at the most, and
    the exit code: negative for a signal.
    """

    wall: float
    cpu: float
    memory: int
    code: int


def measure(
    arguments: Sequence[str | Path], environment: Mapping[str, str], log: Path, patience: float
) -> Cost:
    """Run to the end, or for `patience` seconds; what is printed goes to `log`.

    A small shell starts the process and ends, and the process becomes our child. If we started it, Linux
    would count our memory as the process's (vfork(2)), and we have much. The process waits for our word
    before it begins, so that the time and CPU of the shell are not counted.
    """
    adopt = ctypes.CDLL(None).prctl
    adopt(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with subprocess.Popen(
        ["/bin/sh", "-c", _BACKGROUND, "sh", log, *arguments],
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        process = int(shell.stdout.readline())
        shell.wait()
        begun = time.monotonic()
        shell.stdin.write(b"begin\n")
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
        adopt(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    return Cost(
        wall=time.monotonic() - begun,
        cpu=usage.ru_utime + usage.ru_stime,
        memory=usage.ru_maxrss * 1024,
        code=os.waitstatus_to_exitcode(status),
    )
