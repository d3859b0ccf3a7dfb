"""A program on a terminal, and what the terminal got."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

from support.program import PATIENCE, PROGRAM, surroundings


def run_on_terminal(*arguments: str | Path) -> str:
    """Run to the end with a terminal for all three streams; every octet it was sent, as text."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [PROGRAM, *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=surroundings(TERM="xterm-256color", COLUMNS="200"),
    ) as process:
        os.close(theirs)
        octets = b""
        try:
            while chunk := os.read(ours, 65_536):
                octets += chunk
        except OSError:  # EIO: nobody has the terminal open any more
            pass
        finally:
            os.close(ours)
        process.wait(PATIENCE)
    text = octets.decode("utf-8", "surrogateescape")
    print(ascii(text))
    return text
