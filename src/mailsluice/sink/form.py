"""The form of a sink: where its staging is, where messages go from there, and the names of their files.

Owns these values, and the mode of a sink's directories; each kind of sink makes one. Must never open a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

STAGED = "-staged"
"""The end of every file name in staging: no consumer looks for such names."""

Files = Callable[[str], Sequence[tuple[str, str]]]
"""Gives, for a message's published name, its files as (name in staging, name when published).

They are in the order in which they are published. The last one is the file that consumers look for.
"""


@dataclass(frozen=True, slots=True)
class Form:
    """How one sink is laid out.

    In `root`, `folder` is the directory for staging, and `into` the one that messages are published in.
    `parts` are the directories that every sink of its kind has. `mode` is the mode of the files.
    """

    kind: str
    root: Path
    folder: str
    into: str
    parts: tuple[str, ...]
    mode: int
    files: Files

    @property
    def spec(self) -> str:
        """Its kind and path, `spool:/var/spool/x`."""
        return f"{self.kind}:{self.root}"

    @property
    def directory_mode(self) -> int:
        """The mode of its directories: whoever may read the files may also list and enter these."""
        return self.mode | (self.mode & 0o444) >> 2
