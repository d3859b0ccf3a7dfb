"""What a secret looks like, so that the suite can search its own output for one.

Every secret in the tests contains the word below; tokens are known by their form.
"""

from __future__ import annotations

import re

CANARY = "canary"

_FORMS = {
    "a secret of the tests": CANARY,
    "a JSON web token": r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}",
    "an XOAUTH2 line": r"auth=Bearer\s+\S",
    "an XOAUTH2 line in base64": r"dXNlcj[\w+/]{24,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
}


def leaks(text: str) -> list[str]:
    """What kinds of secret stand in a text; none for a clean one."""
    return [what for what, form in _FORMS.items() if re.search(form, text)]
