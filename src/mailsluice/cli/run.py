"""`mailsluice run`: the daemon."""

from __future__ import annotations

import click

from mailsluice.cli.main import Settings
from mailsluice.config.models import Config
from mailsluice.daemon import serve
from mailsluice.obs import log


@click.command()
@click.pass_obj
def command(settings: Settings) -> None:
    """Poll every mailbox on its schedule until SIGTERM; SIGHUP reloads the configuration."""

    def load() -> Config:
        config = settings.config()
        log.configure(config.log.level, config.log.format)
        return config

    serve(load)
