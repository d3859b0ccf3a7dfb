"""The log: one chain of processors for our events and for those of libraries, to standard error.

Owns how an event is rendered and where it goes. Must never show a local variable in a traceback, nor anything
that has not been through `clean`.
"""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import suppress
from typing import TextIO

from mailsluice.obs import events, outlet
from mailsluice.obs.clean import clean, printable
from mailsluice.obs.logger import get_logger, structlog

__all__ = ["configure", "printable"]

LIBRARIES = ("apscheduler", "msal", "requests", "urllib3")
"""These libraries log at INFO what is no event of ours. They are logged from WARNING on."""

_log = get_logger(__name__)


def configure(level: str, form: str) -> None:
    """Log from `level` on (debug, info, warning, error), as `json`, `console`, or `auto`.

    `auto` is `console` on a terminal, else `json`. May be called again. From now on uncaught exceptions of
    all threads are logged.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_chain(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a reload may change the level
    )
    handler = _StandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_chain(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(form)],
        )
    )
    root = logging.getLogger()
    # One assignment, because sessions go on during a reload: their lines must not be lost, nor written twice.
    root.handlers = [*(other for other in root.handlers if not isinstance(other, _StandardError)), handler]
    root.setLevel(number)
    outlet.tell_dropped(_tell_dropped)
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(max(number, logging.WARNING))
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _chain() -> list[structlog.typing.Processor]:
    """The processors before an event becomes a record: no handler ever gets one that is not clean."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,  # plain text: the structured form shows local variables
        clean,
    ]


def _renderer(form: str) -> structlog.typing.Processor:
    terminal = sys.stderr.isatty()
    if form == "console" or (form == "auto" and terminal):
        return structlog.dev.ConsoleRenderer(
            colors=terminal, exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.processors.JSONRenderer(ensure_ascii=False)


def _tell_dropped(lines: int) -> None:
    _log.warning(
        events.LINES_DROPPED,
        lines=lines,
        remedy="find out why the log's reader did not read: a pager that waits, a stopped terminal, "
        "or a journal that hangs",
    )


class _StandardError(logging.StreamHandler[TextIO | outlet.Outlet]):
    """Standard error, as it is when an event comes: it may have been replaced."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)  # that of StreamHandler would set `stream`, which is a property here

    @property
    def stream(self) -> TextIO | outlet.Outlet:  # type: ignore[override]  # a property, as in logging.lastResort
        return outlet.standard_error()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the name is logging's
        """Say that a line was lost. Not what it said: its text may not be clean."""
        with suppress(OSError, ValueError):
            self.stream.write(f"a log line of {record.name} could not be written\n")


def _uncaught(kind: type[BaseException], error: BaseException, _trace: object) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _log.critical(events.BUG, exc_info=error)


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        thread = args.thread.name if args.thread else None
        _log.critical(events.BUG, thread=thread, exc_info=args.exc_value)
