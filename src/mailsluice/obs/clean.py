"""What may be shown: secrets taken out, terminal escapes made harmless, size bounded.

Owns what a secret looks like from outside. Everything that is logged passes through here last, however it
got there. Must never log, and must not need structlog: the command line uses it for a bug's traceback.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, MutableMapping
from datetime import datetime
from typing import Any

MOST_OCTETS = 40 * 1024
"""The most that one event's text may have; journald splits a line of more than 48 KiB."""

REDACTED = "[redacted]"

_LOOKED_AT = 32 * MOST_OCTETS
"""Characters of a text that are searched for secrets: many more than are shown, for a secret that is cut in
two before the search has lost its form."""

_CUT = "[cut]"
_DEEPEST = 8
_FIRST = ("timestamp", "level", "event")
_STRUCTLOG = ("_record", "_from_structlog")  # its own notes to itself, which it takes out again
_SMALL = 256
_TRACEBACK = "exception"
_SECRET_KEY = re.compile(
    r"token|secret|passw|passphrase|authorization|assertion|cookie|private_?key", re.IGNORECASE
)
_SECRETS = (
    (re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL), REDACTED),
    (re.compile(r"(?i:\bbearer)\s+[^\s\x01\"',]+"), REDACTED),  # RFC 6750 §2.1, XOAUTH2
    (re.compile(r"eyJ[\w-]{8,}[\w.-]*"), REDACTED),  # {" in base64url: RFC 7519 §3.1
    (re.compile(r"dXNlcj[\w+/=-]{8,}"), REDACTED),  # user= in base64: an XOAUTH2 line
    (re.compile(r"[\w.~-]{3}\dQ~[\w.~-]{20,}"), REDACTED),  # the form of Entra's client secrets
    (  # a value of a form or of JSON
        re.compile(
            r"(?i:(access_token|refresh_token|id_token|client_secret|client_assertion|password|device_code))"
            r"(=[\"']?|[\"']\s*:\s*[\"']?)[^\s&\"',;}\\]+"
        ),
        rf"\1\2{REDACTED}",
    ),
)


def redact(text: str) -> str:
    """The text without what looks like a token, a password, or a key."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def printable(text: str) -> str:
    """The text with what a terminal would obey, or a reader not see, as backslash escapes; one line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def json_text(value: object) -> str:
    """The value as JSON that a terminal may show as well: in ASCII, and DEL escaped, which JSON would let be.

    Times are in ISO 8601. What the value was is what a program reads.
    """
    return json.dumps(value, indent=2, default=datetime.isoformat).replace("\x7f", "\\u007f")


def presentable(text: str) -> str:
    """Several lines, such as a traceback, redacted and each printable."""
    return "\n".join(printable(line) for line in redact(text).splitlines())


def clean(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor: every value of an event redacted, printable, and all of them bounded.

    Small values are let through first, so that a long one never costs an event its level or its mailbox.
    """
    budget = _Budget()
    own = [key for key in event if key not in _STRUCTLOG]
    cleaned = {key: budget.value(key, event[key]) for key in sorted(own, key=lambda key: _large(event[key]))}
    return {key: cleaned.get(key, event[key]) for key in dict.fromkeys((*_FIRST, *event)) if key in event}


def _large(value: object) -> bool:
    if isinstance(value, str):
        return len(value) > _SMALL
    return not isinstance(value, (int, float, type(None)))


class _Budget:
    """How many octets one event may still have."""

    def __init__(self) -> None:
        self._left = MOST_OCTETS

    def value(self, key: str, value: object, depth: int = 0) -> object:
        """A value as it may be logged under this key; anything but plain data as its text."""
        self._left -= len(key) + 8
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if _SECRET_KEY.search(key):
            return REDACTED
        if isinstance(value, (Mapping, list, set, frozenset)) or type(value) is tuple:
            return self._nested(value, depth + 1) if depth < _DEEPEST else _CUT
        if isinstance(value, (bytes, bytearray)):
            return self._text(key, value[:_LOOKED_AT].decode("ascii", "backslashreplace"))
        return self._text(key, str(value))

    def _nested(self, value: Mapping[object, object] | Collection[object], depth: int) -> object:
        if isinstance(value, Mapping):
            return {
                self._text("", str(name)): self.value(str(name), item, depth)
                for name, item in value.items()
                if self._left > 0
            }
        return [self.value("", item, depth) for item in value if self._left > 0]

    def _text(self, key: str, text: str) -> str:
        """The text made safe and cut to what is left: a traceback at its beginning, all else at its end."""
        at_beginning = key == _TRACEBACK
        if at_beginning:
            text = presentable(redact(text[-_LOOKED_AT:])[-MOST_OCTETS:])
        else:
            text = printable(redact(text[:_LOOKED_AT])[:MOST_OCTETS])
        if _octets(text) > self._left:
            room = max(self._left, 0) // 2  # octets: rendering at most doubles each
            octets = text.encode()
            kept = octets[len(octets) - room :] if at_beginning else octets[:room]
            text = kept.decode(errors="ignore")
            text = _CUT + text if at_beginning else text + _CUT
        self._left -= _octets(text)
        return text


def _octets(text: str) -> int:
    """How long it is when rendered: in UTF-8, with quotes, backslashes and line ends doubled."""
    return len(text.encode()) + text.count("\\") + text.count('"') + text.count("\n")
