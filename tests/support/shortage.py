"""A system that starts no more threads, as at its limit of tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest


class Shortage:
    """So many more threads are started of those that are `meant`; change `left` when that is to change."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, meant: Callable[[threading.Thread], bool], left: int = 0
    ) -> None:
        self.left = left
        start = threading.Thread.start

        def start_or_refuse(thread: threading.Thread) -> None:
            if meant(thread):
                if not self.left:
                    raise RuntimeError("can't start new thread")
                self.left -= 1
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_or_refuse)


def of_sessions(thread: threading.Thread) -> bool:
    """Whether this is a thread of the pool."""
    return thread.name.startswith("session")
