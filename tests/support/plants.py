"""What somebody may put where mailsluice is going to look, write or rename."""

from __future__ import annotations

import os
import socket
from pathlib import Path

PLANTS = ("link", "dangling", "hard link", "fifo", "socket")
"""All but a directory, which cannot be removed or renamed over as a file."""

PRECIOUS = b"precious"


def plant(kind: str, path: Path, victim: Path) -> None:
    """Put something at `path`; a link leads to `victim`, which is made."""
    if kind != "dangling":
        victim.write_bytes(PRECIOUS)
        victim.chmod(0o600)
    match kind:
        case "link" | "dangling":
            path.symlink_to(victim)
        case "hard link":
            path.hardlink_to(victim)
        case "fifo":
            os.mkfifo(path, 0o600)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                here = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
                listener.bind(f"/proc/self/fd/{here}/{path.name}")  # a socket's path has 107 octets at most
                os.close(here)
        case _:
            path.mkdir(mode=0o700)


def untouched(victim: Path) -> bool:
    """Whether what a link led to is as it was; what a dangling one led to must not be there."""
    return not victim.exists() or victim.read_bytes() == PRECIOUS
