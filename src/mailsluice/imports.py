"""Imports: a library taken in without what it would load beside itself, which we do not use.

Owns the stand-ins, and that they are gone afterwards. Must never be used but while the program starts,
when one thread imports: whoever else did would meet them, too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType


class Later(ModuleType):
    """Stands in for the module of its name, and loads that as soon as anything of it is asked for."""

    def __getattr__(self, name: str) -> object:
        """What the real module has under this name. Raises AttributeError, and what loading it raises."""
        if name.startswith("__"):  # the import system looks for these
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


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
        for name, stand_in in stand_ins.items():
            if name in sys.modules and sys.modules[name] is stand_in:
                del sys.modules[name]
        sys.modules.update(there)
