"""The corpus: every hostile server there is, by theme."""

from __future__ import annotations

from collections.abc import Mapping

from hostile import bodies, floods, lies, listings, phases, trust
from hostile.case import Case
from support.extent import FULL

THEMES: Mapping[str, tuple[Case, ...]] = {
    "Breaking off, silence, and one octet at a time": phases.CASES,
    "Without end, and far too much": floods.CASES,
    "Messages": bodies.CASES,
    "Listings": listings.CASES,
    "Refusals, lies, and words out of turn": lies.CASES,
    "Trust and TLS": trust.CASES,
}

CASES = tuple(case for cases in THEMES.values() for case in cases)

_LIGHT = tuple(case for case in CASES if not case.full)

PLAYED = CASES if FULL else _LIGHT[::5] + _LIGHT[2::5]
"""All, or two of five: a stride that meets every way at some phase, and every phase in some way."""
