"""What a secret looks like, so that the suite can search its own output for one, and what mailsluice writes.

Every secret in the tests contains the word below; tokens are known by their form.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

CANARY = "canary"

_FORMS = {
    "a secret of the tests": CANARY,
    "a JSON web token": r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}",
    "an XOAUTH2 line": r"auth=Bearer\s+\S",
    "an XOAUTH2 line in base64": r"dXNlcj[\w+/]{24,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
}

WRITTEN = ("ledger.db*", "*.json", "*.log", "log", "*.vault", "*.token", "*.token.new", "tokens.said")
"""The names of what mailsluice writes of itself: ledger, descriptions, logs, and the sealed secrets.

Files of other names are the tests' own, where secrets and tokens have to be, or mail as it came.
"""


def leaks(text: str) -> list[str]:
    """What kinds of secret stand in a text; none for a clean one."""
    return [what for what, form in _FORMS.items() if re.search(form, text)]


def leaks_below(folder: Path) -> list[str]:
    """What kinds of secret stand in the files below a folder that mailsluice has written, and where."""
    return [
        f"wrote {kind} into {path.relative_to(folder)}"
        for path in folder.rglob("*")
        if any(fnmatch(path.name, name) for name in WRITTEN) and path.is_file()
        for kind in leaks(path.read_bytes().decode("latin-1"))
    ]
