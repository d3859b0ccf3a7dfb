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
    """Stands in for the module of its name, and has what that has: loaded when first asked, if nobody did.

    Not its submodules. It is false, as what is not there: logging asks (Python 3.12) whether asyncio is.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._real = sys.modules.get(name)

    def __bool__(self) -> bool:
        return False

    def __getattr__(self, name: str) -> object:
        """What the real module has under this name. Raises AttributeError, and what loading it raises."""
        if name.startswith("__"):  # the import system looks for these
            raise AttributeError(name)
        if self._real is None:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
            self._real = import_module(self.__name__)
        return getattr(self._real, name)


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
