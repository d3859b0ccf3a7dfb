"""What may be shown: without secrets, without terminal escapes, and of limited size.

Owns what a secret looks like. Everything that is logged passes through here last. Must never log, and must
not need structlog: the command line uses it for a bug's traceback.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, MutableMapping
from datetime import datetime
from itertools import groupby
from typing import Any

MOST_OCTETS = 40 * 1024
"""The most octets of one event's text. journald splits a line of more than 48 KiB."""

REDACTED = "[redacted]"

_LOOKED_AT = 32 * MOST_OCTETS
"""Characters of a text that are searched for secrets. Many more than are shown: a secret that is cut in two
before the search cannot be recognised. And what is removed makes room for text that must be searched, too."""

_CUT = "[cut]"
_DEEPEST = 8
_FIRST = ("timestamp", "level", "event")
_STRUCTLOG = ("_record", "_from_structlog")  # structlog's own keys, which it removes itself
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
    (  # a value in a web form or in JSON
        re.compile(
            r"(?i:(token|secret|client_assertion|passw(?:or)?d|pwd|device_code))"
            r"(=[\"']?|[\"']\s*:\s*[\"']?)[^\s&\"',;}\\]+"
        ),
        rf"\1\2{REDACTED}",
    ),
    (re.compile(r"://[^\s\"/]{1,500}@"), f"://{REDACTED}@"),  # a user's name and password: RFC 3986 §3.2.1
)
_NAME = (
    r"(?i:token|secret|passw(?:or)?d|passphrase|pwd|assertion|cookie|authorization|"
    r"(?:api|access|private)[ _-]?key)\w{0,20}"
)
_NAMED_SECRETS = (
    re.compile(  # password is x, "secret": "x", token='x', authorization: basic x
        rf"({_NAME}[\"')\]]{{0,2}}\s{{0,3}}(?:[:=]+>?|\b(?:is|was)\b:?)\s{{0,3}})"
        r"(?:(?i:basic|bearer|digest|negotiate)\s+)?(?:\"[^\"\n]*\"?|'[^'\n]*'?|\S+)"
    ),
    re.compile(rf"(-{_NAME}[\"',\s]{{1,5}})[^\s\"',\]]+"),  # --password x, ['--password', 'x']
    re.compile(r"(://)[^\s\"]{1,500}(?=@)"),  # a password in a URL, with a slash that is not encoded
    re.compile(  # the secret x, invalid secret provided: x, Passwort x; not if x is a word of small letters
        r"((?i:(?<![A-Za-z])(?:token|secret|key|pass[ _-]?(?:word|phrase|wort)|passwd|kennwort|pwd|pin)s?)\b"
        r":?\s{1,3}"
        r"(?:(?:provided|given|was|is|ist|the|of)\b:?\s{1,3}){0,3})(?![A-Z]?[a-z]*[.,:;)]*(?:\s|$))\S+"
    ),
    re.compile(r"((?:^|\s)-{1,2}(?:u|user|p)[ =]{1,3})\S+"),  # curl -u name:x
)
_COLOURS = re.compile(r"\x1b\[[0-9;]{0,20}m")
_WORD = re.compile(r"[^\s\"'`(){}\[\]<>,;|]+")
_PIECES = re.compile(r"([/:@=])")
_DIGITS_THEN_LETTERS = re.compile(r"\d[^A-Za-z]{0,99}[A-Za-z]")
_DIGITS_AND_SIGNS = re.compile(r"\d.{0,99}[!$%^&*~+?#]|[!$%^&*~+?#].{0,99}\d")
_PLAIN = re.compile(r"[.~]{0,2}/[^/]*/|\d{4}-\d\d-\d\dT")
"""The beginning of a word that is a path or a time."""
_LONG_WORD = re.compile(r"[\w+=~/.%-]{20,}")
_SHORTEST_SECRET = 8


def redact(text: str) -> str:
    """The text without anything that looks like a token, a password or a key."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def foreign_words(text: str) -> str:
    """What another program said, without anything that may be a secret.

    This removes more than `redact`: also what follows the name of a secret, as in `password is x`, and words
    that look random. It is not for our own texts, nor for those of servers: it would remove their ids and
    digests. A secret of a few small letters, without its name before it, is not found: it looks like prose.
    """
    text = redact(_COLOURS.sub("", text))
    for pattern in _NAMED_SECRETS:
        text = pattern.sub(rf"\1{REDACTED}", text)
    text = _LONG_WORD.sub(_unless_random, text)
    return _WORD.sub(_unless_mixed, text)


def _unless_random(word: re.Match[str]) -> str:
    """The word if it is a path or a name. Base64 and the like have digits among their letters."""
    for piece in re.split("[/.]", word[0]):
        mixed = re.search("[0-9]", piece) and re.search("[A-Za-z]", piece)
        if len(piece) >= (20 if mixed else 32):
            return REDACTED
    return word[0]


def _unless_mixed(word: re.Match[str]) -> str:
    """The word without pieces that have letters after digits: names of hosts and versions have none."""
    if _PLAIN.match(word[0]):
        return word[0]
    return "".join(REDACTED if _is_mixed(piece) else piece for piece in _PIECES.split(word[0]))


def _is_mixed(piece: str) -> bool:
    if len(piece) < _SHORTEST_SECRET or "." in piece:
        return False
    return bool(_DIGITS_THEN_LETTERS.search(piece) or _DIGITS_AND_SIGNS.search(piece))


def without(text: str, secret: str) -> str:
    """The text without anything it has in common with the secret: any eight characters in a row, or more.

    Spaces and line ends are ignored, so that a secret is also found if it was broken into lines.
    """
    letters = "".join(secret.split())
    known = {letters[at : at + _SHORTEST_SECRET] for at in range(len(letters) - _SHORTEST_SECRET + 1)}
    # The positions in `text` of the characters that count, and these characters alone.
    positions = [at for at, character in enumerate(text) if not character.isspace()]
    solid = "".join(text[at] for at in positions)
    hidden = bytearray(len(text))
    for first in range(len(positions) - _SHORTEST_SECRET + 1):
        if solid[first : first + _SHORTEST_SECRET] in known:
            begin, end = positions[first], positions[first + _SHORTEST_SECRET - 1] + 1
            hidden[begin:end] = b"\1" * (end - begin)
    runs = groupby(range(len(text)), hidden.__getitem__)
    return "".join(REDACTED if is_hidden else "".join(text[at] for at in run) for is_hidden, run in runs)


def printable(text: str) -> str:
    """The text on one line. What a terminal would obey or a reader would not see is a backslash escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def json_text(value: object) -> str:
    """The value as JSON that is also safe in a terminal: in ASCII, with DEL escaped, which JSON does not do.

    Times are in ISO 8601. A program that parses the JSON gets the value unchanged.
    """
    return json.dumps(value, indent=2, default=datetime.isoformat).replace("\x7f", "\\u007f")


def presentable(text: str) -> str:
    """A text of several lines, such as a traceback, without secrets, and printable."""
    return "\n".join(printable(line) for line in redact(text).splitlines())


def clean(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor: an event without secrets, printable, and of limited size.

    Small values come first, so that a long one never takes the room of the event's level or mailbox.
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
    """The octets that one event may still use."""

    def __init__(self) -> None:
        self._left = MOST_OCTETS

    def value(self, key: str, value: object, depth: int = 0) -> object:
        """The value as it may be logged under this key. Anything that is no plain data becomes text."""
        self._left -= len(key) + 8  # and what JSON puts around a key and its value
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if _SECRET_KEY.search(key):
            return REDACTED
        # Only a plain tuple: a named one becomes text, by its own `str`, which may leave out a secret.
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
        """The text, safe, and cut to the room left: a traceback at its beginning, other texts at the end."""
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
    """Its octets when rendered as JSON in UTF-8: quotes, backslashes and line ends take two."""
    return len(text.encode()) + text.count("\\") + text.count('"') + text.count("\n")
