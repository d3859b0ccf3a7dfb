"""The beginning of a command that does work: it reads the configuration and sets up the log.

Owns what is logged about the configuration. Must never be used by commands that only show something.
"""

from __future__ import annotations

from mailsluice.cli.main import Settings
from mailsluice.config.models import Config
from mailsluice.obs import events, log
from mailsluice.obs.logger import get_logger
from mailsluice.system import heap

_log = get_logger(__name__)


def begun(settings: Settings) -> Config:
    """Read the configuration and `announce` it. Raises ConfigurationError."""
    heap.keep_one_arena()  # first: threads that were started before keep their own arenas
    config = settings.config()
    announce(config)
    return config


def announce(config: Config) -> None:
    """Set up the log by this configuration, and log its warnings."""
    log.configure(config.log.level, config.log.format)
    for warning in config.warnings:
        _log.warning(events.CONFIGURATION_WARNING, warning=warning.what, remedy=warning.remedy)
