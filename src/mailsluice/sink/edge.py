"""The edge of a sink: here a FileError becomes a SinkError.

Owns that translation. Every function that uses files, and that the rest of the program calls, is decorated
with it. Must never retry.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from mailsluice.errors import SinkError
from mailsluice.files.error import FileError
from mailsluice.files.rights import is_denied

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def edge(do: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """The same function, but it raises SinkError instead of FileError."""

    @wraps(do)
    def translated(*args: _Arguments.args, **options: _Arguments.kwargs) -> _Result:
        try:
            return do(*args, **options)
        except FileError as error:
            raise SinkError(str(error), remedy=error.remedy, denied=is_denied(error)) from error

    return translated
