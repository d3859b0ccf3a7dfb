"""Imports: a library taken in without what it would load beside itself, which we do not use.

Owns the stand-ins and that they are gone afterwards. Must never be used for what the library does with us.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def in_place_of(stand_ins: Mapping[str, ModuleType | None]) -> Iterator[None]:
    """Let imports within find these modules by these names; None is a module that cannot be found.

    Who imports them elsewhere gets the real ones, also those that were there before.
    """
    there = {name: sys.modules[name] for name in stand_ins if name in sys.modules}
    sys.modules.update(stand_ins)  # type: ignore[arg-type]  # an import of None fails (docs: sys.modules)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]
        sys.modules.update(there)
