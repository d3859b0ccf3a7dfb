"""The argument of a command: text that goes to a server within one line.

Owns what may not stand in it. Pure. Must never repeat it: it may be a secret.
"""

from __future__ import annotations

import re

_CONTROLS = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def refuse_controls(argument: str) -> None:
    """Raise ValueError for what would break out of its line, or has no UTF-8.

    The argument is not quoted, for it may be secret.
    """
    if _CONTROLS.search(argument):
        raise ValueError("it has control characters in it")
