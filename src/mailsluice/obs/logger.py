"""The logger: structlog, taken in without what it would load beside itself.

Owns the only import of structlog. Must never configure it: that is `log`.
"""

from __future__ import annotations

from mailsluice.imports import Later, in_place_of

__all__ = ["FilteringBoundLogger", "bound_contextvars", "get_logger", "structlog"]

_UNUSED = {
    "rich": None,  # draws tracebacks, with local variables in them
    "asyncio": Later("asyncio"),  # for methods to await, which nobody here does
}
"""These two would take a seventh of the time that `mailsluice poll` takes to start."""

with in_place_of(_UNUSED):
    import structlog

get_logger = structlog.get_logger
bound_contextvars = structlog.contextvars.bound_contextvars
FilteringBoundLogger = structlog.typing.FilteringBoundLogger
