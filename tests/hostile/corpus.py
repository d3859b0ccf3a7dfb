"""The corpus: every hostile server there is, by theme."""

from __future__ import annotations

import zlib
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


def _bounded(case: Case) -> bool:
    """Whether the bounded form plays it: two of five by name, so that no other case decides over it."""
    return case.always or (not case.full and zlib.crc32(case.name.encode()) % 5 < 2)


PLAYED = CASES if FULL else tuple(case for case in CASES if _bounded(case))
"""All; or those that stand for a kind of server, and some of the others."""
