"""`mailsluice run`: the daemon."""

from __future__ import annotations

import click

from mailsluice.cli.begin import announce
from mailsluice.cli.main import Settings
from mailsluice.daemon import Configurations, serve
from mailsluice.system import heap


@click.command()
@click.pass_obj
def command(settings: Settings) -> None:
    """Poll every mailbox on its schedule until SIGTERM. SIGHUP reloads the configuration."""
    heap.keep_one_arena()  # first: threads that were started before keep their own arenas
    serve(Configurations(settings.config, announce))
