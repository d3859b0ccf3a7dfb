"""The logger: structlog, imported without rich.

Owns the only import of structlog. Must never configure it: that is `log`.
"""

from __future__ import annotations

import sys

__all__ = ["FilteringBoundLogger", "bound_contextvars", "get_logger", "structlog"]

# structlog imports rich, if it is installed, to draw tracebacks. We draw none, and without rich a poll takes
# 3 MiB less: with it, a poll with a secret in the keyring takes more than the 64 MiB that `benchmarks start`
# allows. None in `sys.modules` is a module that cannot be found.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # the documentation of `sys.modules` allows None

import structlog  # noqa: E402  after the line above

if sys.modules["rich"] is None:
    del sys.modules["rich"]  # who imports it later gets it

get_logger = structlog.get_logger
bound_contextvars = structlog.contextvars.bound_contextvars
FilteringBoundLogger = structlog.typing.FilteringBoundLogger
