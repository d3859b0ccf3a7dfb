from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from mailsluice.obs import log


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Configure logging, with no other handler listening; afterwards logging is as it was."""
    root = logging.getLogger()
    level = root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)

    def configure(level: str, form: str) -> None:
        root.handlers.clear()
        log.configure(level, form)

    yield configure
    root.handlers.clear()
    root.setLevel(level)
    for library in log.LIBRARIES:
        logging.getLogger(library).setLevel(logging.NOTSET)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """The JSON lines logged since the last call."""
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
