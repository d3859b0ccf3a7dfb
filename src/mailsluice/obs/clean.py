"""What may be shown: secrets taken out, terminal escapes made harmless, size bounded.

Owns what a secret looks like from outside. Everything that is logged passes through here last, however it
got there. Must never log, and must not need structlog: the command line uses it for a bug's traceback.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, MutableMapping
from datetime import datetime
from itertools import groupby
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
    re.compile(r"(://)[^\s\"]{1,500}(?=@)"),  # a password in a URL that should have been encoded
    re.compile(  # the secret x, invalid secret provided: x, Passwort x; x with more than small letters
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
"""What a word begins with that is a path, or a time."""
_LONG_WORD = re.compile(r"[\w+=~/.%-]{20,}")
_SHORTEST_SECRET = 8


def redact(text: str) -> str:
    """The text without what looks like a token, a password, or a key."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def foreign_words(text: str) -> str:
    """What another program said, without what looks like a secret, or may be one.

    Beside what `redact` takes out: whatever follows the name of a secret, as in `password is x`, and words
    that look random. Our own words and those of servers, with their ids and digests, are not for this. A
    secret of a few small letters, that nothing names, is not told from prose.
    """
    text = redact(_COLOURS.sub("", text))
    for pattern in _NAMED_SECRETS:
        text = pattern.sub(rf"\1{REDACTED}", text)
    text = _LONG_WORD.sub(_unless_random, text)
    return _WORD.sub(_unless_mixed, text)


def _unless_random(word: re.Match[str]) -> str:
    """The word if it is one: a path, a name. Base64 and the like have digits among their letters."""
    for piece in re.split("[/.]", word[0]):
        mixed = re.search("[0-9]", piece) and re.search("[A-Za-z]", piece)
        if len(piece) >= (20 if mixed else 32):
            return REDACTED
    return word[0]


def _unless_mixed(word: re.Match[str]) -> str:
    """The word without pieces that have letters behind digits, as no name of a host or a version has."""
    if _PLAIN.match(word[0]):
        return word[0]
    return "".join(REDACTED if _is_mixed(piece) else piece for piece in _PIECES.split(word[0]))


def _is_mixed(piece: str) -> bool:
    if len(piece) < _SHORTEST_SECRET or "." in piece:
        return False
    return bool(_DIGITS_THEN_LETTERS.search(piece) or _DIGITS_AND_SIGNS.search(piece))


def without(text: str, secret: str) -> str:
    """The text without whatever it has in common with the secret: any eight characters in a row, or more.

    Spaces and line ends do not count, so that a secret is found that was broken into lines.
    """
    letters = "".join(secret.split())
    known = {letters[at : at + _SHORTEST_SECRET] for at in range(len(letters) - _SHORTEST_SECRET + 1)}
    places = [at for at, character in enumerate(text) if not character.isspace()]
    solid = "".join(text[at] for at in places)
    hidden = bytearray(len(text))
    for first in range(len(places) - _SHORTEST_SECRET + 1):
        if solid[first : first + _SHORTEST_SECRET] in known:
            begin, end = places[first], places[first + _SHORTEST_SECRET - 1] + 1
            hidden[begin:end] = b"\1" * (end - begin)
    runs = groupby(range(len(text)), hidden.__getitem__)
    return "".join(REDACTED if gone else "".join(text[at] for at in run) for gone, run in runs)


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
