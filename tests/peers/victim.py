"""A mailsluice to be killed: imported once, so that a poll costs its work alone and no start of Python.

A program. Its one argument is a configuration file. For each line of standard input it forks a child that
runs `mailsluice poll`, and sends it SIGKILL when that is due. The line is a JSON array: after so many seconds;
unless null, a directory, and "comes" or "leaves": they count from the moment when a file does so there; and by
how many days the child's clock is ahead. The answer is a line of JSON: whether the kill was what ended the child, its exit code if not,
and the seconds it lived. What the children print goes to standard error.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import mailsluice.cli.poll  # noqa: F401  the command line imports it only when it is called
from mailsluice.cli.main import main
from support.moved_clock import move_clock

LOOK_EVERY = 0.0002
"""Seconds between two looks at the directory that is watched."""


def poll(config: str) -> int:
    """The program's own way through a poll; its exit code."""
    try:
        return main(["-c", config, "poll"])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1


def child(config: str, days: int) -> None:
    """Never returns. The pipes to whoever rules over life and death are closed."""
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        move_clock(timedelta(days=days))
        code = poll(config)
    finally:
        os._exit(code)


def names(directory: str) -> set[str]:
    return {path.name for path in Path(directory).iterdir()}


def ends_within(death: int, seconds: float) -> bool:
    return bool(select.select([death], [], [], seconds)[0])


def ends_by_itself(death: int, seconds: float, watch: tuple[str, str] | None) -> bool:
    """Wait until the child has ended, or the kill is due."""
    if watch is not None:
        directory, moment = watch
        before = now = names(directory)
        while now <= before if moment == "comes" else before <= now:
            before, now = now, names(directory)
            if ends_within(death, LOOK_EVERY):
                return True
    return ends_within(death, seconds)


def live(config: str, seconds: float, watch: tuple[str, str] | None, days: int) -> dict[str, object]:
    """One child's life."""
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        child(config, days)
    death = os.pidfd_open(pid)
    if not ends_by_itself(death, seconds, watch):
        signal.pidfd_send_signal(death, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(death)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return {
        "killed": killed,
        "code": None if killed else os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - began,
    }


if __name__ == "__main__":
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        sys.exit("a parent with threads must not fork")
    for line in sys.stdin:
        print(json.dumps(live(sys.argv[1], *json.loads(line))), flush=True)
