"""What is kept: the token, and what is known of it, that one process leaves for the next.

Owns the form of it as text, and which values can be true. Must never read a clock, nor a file.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

from mailsluice.auth.sources.source import problem

LONGEST_LIFE = 86_400.0
"""The most seconds that a token is used. One of Entra ID lives for an hour or so, a machine's for a day."""
LONGEST_QUIET = 900.0
"""The most seconds for which a provider that wants no request is obeyed (docs/operations.md)."""
AHEAD = 60.0
"""Seconds that what is kept may be ahead of the clock: clocks are corrected a little all the time."""
_LONGEST_TEXT = 4_000


class NotKept(ValueError):
    """The text is not what this module writes."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """A provider wanted no request for `seconds`, `since` then. `said` is the error."""

    since: float
    seconds: float
    said: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A token, or "" if only a `quiet` is known. Times are the wall clock's, in seconds since 1970.

    It was `asked` for then, lives for `lifetime` seconds, and is renewed after `renew` of them. `let_in` is
    when a server last accepted it, and `refused` when one first refused it after that; 0 for never.
    """

    token: str = field(default="", repr=False)
    asked: float = 0.0
    lifetime: float = 0.0
    renew: float = 0.0
    let_in: float = 0.0
    refused: float = 0.0
    quiet: Quiet | None = None

    def encode(self) -> str:
        """As text."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Kept:
        """From text. Raises NotKept, without the text."""
        try:
            kept = _read(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise NotKept("not what this program writes") from None
        return kept


def _read(fields: dict[str, Any]) -> Kept:
    quiet = fields.pop("quiet")
    token = _text(fields.pop("token"))
    kept = Kept(token, **{name: _number(value) for name, value in fields.items()}, quiet=_quiet(quiet))
    if token and (problem(token) or not kept.renew <= kept.lifetime <= LONGEST_LIFE):
        raise ValueError("a token that cannot be")
    return kept


def _quiet(fields: dict[str, Any] | None) -> Quiet | None:
    if fields is None:
        return None
    since, seconds, said, remedy = (fields[name] for name in ("since", "seconds", "said", "remedy"))
    quiet = Quiet(_number(since), _number(seconds), _words(said), _words(remedy))
    if quiet.seconds > LONGEST_QUIET:
        raise ValueError("no provider is obeyed for so long")
    return quiet


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e12 or value < 0:
        raise ValueError("not a time")
    if not math.isfinite(value):
        raise ValueError("not a number")
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _words(value: object) -> str:
    text = _text(value)
    if not text.isprintable() or len(text) > _LONGEST_TEXT:
        raise ValueError("not words that this program shows")
    return text
