"""`mailsluice seen`: what is on the server is known already, in one way or another.

Owns how the ways are asked for and what came of them is told.
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
    help="Find those that are stored under other UIDLs, by their headers; the others are new.",
)
@click.option("--fetch", is_flag=True, help="They are new, or all to be had once more.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(settings: Settings, mailbox: str, *, adopt: bool, fetch: bool, as_json: bool) -> None:
    """Mark what is on the server now, and not stored yet, as seen: never to be fetched, never deleted.

    With --adopt or --fetch: settle messages that may be stored ones under other UIDLs. Nothing is fetched or
    deleted by this command itself.
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
        click.echo(f"{mailbox}: {_told(settled, marking=way is Way.MARK)}")


def _told(settled: Settled, *, marking: bool) -> str:
    if marking:
        return f"{settled.marked} messages are marked as seen"
    parts = [f"{settled.new} messages are new, for polls to fetch", f"{settled.gone} are gone"]
    if settled.adopted:
        parts.insert(0, f"{settled.adopted} messages are known under their new UIDLs")
    if settled.untold:
        parts.append(
            f"{settled.untold} have no telling header, and may be known ones: what is old of them stays held"
        )
    return "; ".join(parts)
