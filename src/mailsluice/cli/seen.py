"""`mailsluice seen`: decides about messages on the server that are not stored yet, or may be.

Owns the command's options, and how the result is shown. Must never fetch or delete a message.
"""

from __future__ import annotations

from dataclasses import asdict

import click

from mailsluice.app import Service
from mailsluice.cli.choice import chosen
from mailsluice.cli.main import Settings
from mailsluice.obs import log
from mailsluice.obs.clean import json_text
from mailsluice.session.seen import Settled, Way


@click.command()
@click.argument("mailbox")
@click.option(
    "--adopt",
    is_flag=True,
    help="Recognise stored messages under other UIDLs by their headers. The others are new.",
)
@click.option("--fetch", is_flag=True, help="All of them are new, or should be fetched again.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(settings: Settings, mailbox: str, *, adopt: bool, fetch: bool, as_json: bool) -> None:
    """Mark all messages that are on the server now and not stored as seen: they are never fetched or deleted.

    With --adopt or --fetch: decide about messages that may be stored ones under other UIDLs. This command
    itself fetches and deletes nothing.
    """
    if adopt and fetch:
        raise click.UsageError("--adopt and --fetch exclude each other")
    way = Way.ADOPT if adopt else Way.FETCH if fetch else Way.MARK
    config = settings.config()
    log.configure(config.log.level, config.log.format)
    with Service(config) as service:
        settled = service.settle(chosen(config, mailbox), way)
    if as_json:
        click.echo(json_text({"mailbox": mailbox, **asdict(settled)}))
    else:
        click.echo(f"{mailbox}: {_summary(settled, marking=way is Way.MARK)}")


def _summary(settled: Settled, *, marking: bool) -> str:
    if marking:
        return f"{settled.marked} messages are marked as seen"
    parts = [f"{settled.new} messages are new and will be fetched", f"{settled.gone} are gone"]
    if settled.adopted:
        parts.insert(0, f"{settled.adopted} messages are known under their new UIDLs")
    if settled.unclear:
        parts.append(
            f"{settled.unclear} may be stored ones, but have no header that proves it: the old ones stay held"
        )
    return "; ".join(parts)
