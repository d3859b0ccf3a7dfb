"""The beginning of a command that works: its configuration, with the log set up as that says.

Owns what is logged of the configuration itself. Must never be for commands that only show something.
"""

from __future__ import annotations

from mailsluice.cli.main import Settings
from mailsluice.config.models import Config
from mailsluice.obs import events, log
from mailsluice.obs.logger import get_logger
from mailsluice.system import heap

_log = get_logger(__name__)


def begun(settings: Settings) -> Config:
    """The configuration as the file has it now; it is announced. Raises ConfigurationError."""
    heap.keep_one_arena()  # before there is any other thread
    config = settings.config()
    announce(config)
    return config


def announce(config: Config) -> None:
    """Log as this configuration says from now on, and what it warns of."""
    log.configure(config.log.level, config.log.format)
    for warning in config.warnings:
        _log.warning(events.CONFIGURATION_WARNING, warning=warning.what, remedy=warning.remedy)
