"""Ctrl-C, as a terminal sends it to the program."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

from support.program import PATIENCE


def interrupt() -> None:
    """Send SIGINT to the main thread, from any thread."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


def interrupt_after(wait: Callable[[float], object]) -> None:
    """Do it when this has returned, in a thread of its own."""

    def waiting() -> None:
        wait(PATIENCE)
        interrupt()

    threading.Thread(target=waiting).start()
