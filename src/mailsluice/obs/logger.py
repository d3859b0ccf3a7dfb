"""The logger: structlog, taken in without what it would load beside itself.

Owns the only import of structlog. Must never configure it: that is `log`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["FilteringBoundLogger", "bound_contextvars", "get_logger", "structlog"]


@contextmanager
def _rich_hidden() -> Iterator[None]:
    """Let an import find no rich: structlog would load all of it, to draw tracebacks that nobody asks for.

    Those would show local variables, too, and it takes a tenth of what `mailsluice poll` takes to start.
    """
    if "rich" in sys.modules:
        yield
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # an import of it fails (docs: sys.modules)
    try:
        yield
    finally:
        del sys.modules["rich"]


with _rich_hidden():
    import structlog

get_logger = structlog.get_logger
bound_contextvars = structlog.contextvars.bound_contextvars
FilteringBoundLogger = structlog.typing.FilteringBoundLogger
