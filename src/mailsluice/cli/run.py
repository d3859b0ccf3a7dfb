"""`mailsluice run`: the daemon."""

from __future__ import annotations

from functools import partial

import click

from mailsluice.cli.begin import begun
from mailsluice.cli.main import Settings
from mailsluice.daemon import serve


@click.command()
@click.pass_obj
def command(settings: Settings) -> None:
    """Poll every mailbox on its schedule until SIGTERM; SIGHUP reloads the configuration."""
    serve(partial(begun, settings))
