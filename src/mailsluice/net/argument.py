"""The argument of a command: text that is sent to a server within one line.

Owns which characters it may not contain. Pure. Must never repeat the argument, because it may be a secret.
"""

from __future__ import annotations

import re

_CONTROLS = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def refuse_controls(argument: str) -> None:
    """Raise ValueError if the argument has a control character or cannot be UTF-8.

    A line end would begin another command. The error does not quote the argument, which may be a secret.
    """
    if _CONTROLS.search(argument):
        raise ValueError("it has control characters in it")
