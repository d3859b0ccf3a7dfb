"""The text of a secret: what people and editors put around it, and what hardly belongs to it.

Owns what is taken away from a secret, and what is doubtful about one. Must never put a part of a secret into
a word about it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_BOM = "\ufeff"
_LINE_ENDS = "\r\n"
_QUOTES = ("'", '"', "`", "\u201c", "\u2018", "\u201e")
_ENDS_OF_QUOTES = {"\u201c": "\u201d", "\u2018": "\u2019", "\u201e": "\u201c"}
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Tidied:
    """A secret without what editors and shells put around it, and words for what that was."""

    text: str = field(repr=False)
    removed: tuple[str, ...] = ()


def tidied(text: str) -> Tidied:
    """The text without line ends around it, nor a byte order mark before it."""
    removed = []
    if text.startswith(_BOM):
        text, removed = text.removeprefix(_BOM), ["a byte order mark before it"]
    stripped = text.lstrip(_LINE_ENDS)
    if stripped != text:
        removed.append("line ends before it")
    text = stripped.rstrip(_LINE_ENDS)
    if text != stripped:
        removed.append("the line end after it" if _is_one(stripped[len(text) :]) else "line ends after it")
    return Tidied(text, tuple(removed))


def doubts(text: str, *, is_client_secret: bool) -> list[str]:
    """What is probably wrong with a secret, in words that follow "the secret"; nothing for a usual one.

    `is_client_secret`: Entra ID made it. Its secrets have an ID beside their Value, and people copy the wrong
    one (AADSTS7000215).
    """
    found = []
    if text.startswith(_BOM):
        found.append("has a byte order mark before it")
    if text.strip(_LINE_ENDS).strip() != text.strip(_LINE_ENDS):
        found.append("has blanks at its beginning or its end")
    bare = text.strip()
    if len(bare) > 1 and bare[0] in _QUOTES and bare[-1] == _ENDS_OF_QUOTES.get(bare[0], bare[0]):
        found.append("has quotes around it")
    if "\0" in text:
        found.append("has zeros between its letters, as UTF-16 text has")
    if is_client_secret and looks_like_id(text):
        found.append("looks like the ID of a client secret, not like its Value")
    return found


def looks_like_id(text: str) -> bool:
    """Whether this has the form of a client secret's ID, which no Value has."""
    return _GUID.fullmatch(text.strip()) is not None


def without_line_end(text: str) -> str:
    """The text without one LF or CRLF at its end, which editors and `echo` put there."""
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def _is_one(line_ends: str) -> bool:
    return line_ends in {"\n", "\r\n", "\r"}
