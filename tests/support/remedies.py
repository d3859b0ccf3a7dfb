"""Commands in what a program prints, as a person takes them out of it."""

from __future__ import annotations

from support.program import Ended


def commands(text: str) -> list[str]:
    """The commands in backticks, in their order."""
    return text.split("`")[1::2]


def last_line(ended: Ended) -> str:
    """The remedy: the last line that a program prints before it ends with an error."""
    return ended.stderr.splitlines()[-1]


def command_in(remedy: str) -> str:
    """The one command of a remedy: in backticks, or after a colon, or the whole."""
    if "`" in remedy:
        (command,) = commands(remedy)
        return command
    return remedy.rpartition(": ")[2]
