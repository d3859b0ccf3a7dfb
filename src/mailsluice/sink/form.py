"""The form of a sink: where its staging is, where messages go from there, and what their files are called.

Owns no behaviour but the mode of directories. Each kind of sink says once what form it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

STAGED = "-staged"
"""What every name of a message's file in staging ends in: no consumer looks for it, whatever it looks for."""

Files = Callable[[str], Sequence[tuple[str, str]]]
"""For a message's published name: its files as (name in staging, name when published), in the order they are
published. The last one is what consumers look for."""


@dataclass(frozen=True, slots=True)
class Form:
    """How one sink is laid out.

    `folder` is the directory for staging in `root`, `into` the one that messages are published in. `parts`
    are the directories that belong to every sink of its kind. `mode` is the files'.
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
        """Its kind and place, `spool:/var/spool/x`."""
        return f"{self.kind}:{self.root}"

    @property
    def directory_mode(self) -> int:
        """The mode of its directories: who may read the files may also list and enter these."""
        return self.mode | (self.mode & 0o444) >> 2
