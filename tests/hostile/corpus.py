"""The corpus: every hostile server there is, by name."""

from __future__ import annotations

from hostile import bodies, floods, lies, listings, phases, trust
from hostile.case import Case

CASES: tuple[Case, ...] = (
    *phases.CASES,
    *floods.CASES,
    *bodies.CASES,
    *listings.CASES,
    *lies.CASES,
    *trust.CASES,
)
