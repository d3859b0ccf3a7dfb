"""`mailsluice sink`: which ledgers feed a sink, and what to do where one of them, or the sink, is gone.

Owns how that is shown. Must never touch mail.
"""

from __future__ import annotations

import click

from mailsluice.app import Service
from mailsluice.cli.begin import begun
from mailsluice.cli.choice import chosen
from mailsluice.cli.main import Settings
from mailsluice.cli.screen import print_table
from mailsluice.config.models import Config
from mailsluice.ledger import open_ledger
from mailsluice.obs.clean import json_text
from mailsluice.sink.sinks import Sinks

_COLUMNS = ("sink", "mailbox", "ledger", "host", "state_dir", "given_to")


@click.group()
def command() -> None:
    """List the ledgers that feed each sink; take over from one that is gone, or give up a sink that is."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_(settings: Settings, *, as_json: bool) -> None:
    """List which ledgers feed the sinks of all mailboxes, and with which mailboxes."""
    rows = _rows(settings.config())
    if as_json:
        click.echo(json_text(rows))
        return
    if rows:
        print_table(rows, _COLUMNS)
    else:
        click.echo("Nothing was stored in any sink yet.")


@command.command()
@click.argument("mailbox")
@click.pass_obj
def adopt(settings: Settings, mailbox: str) -> None:
    """Let the ledger of this configuration feed a mailbox's sink in the place of any other.

    What a mailbox keeps on the server, and this ledger does not know, is stored once more. `seen` before the
    next poll prevents that, but marks mail that nobody has stored yet, too: that is never fetched then.
    """
    config = begun(settings)
    with Service(config) as service:
        service.adopt(chosen(config, mailbox))
    click.echo(f"{config.service.state_dir} feeds the sink of {mailbox} from now on")


@command.command()
@click.argument("mailbox")
@click.pass_obj
def forget(settings: Settings, mailbox: str) -> None:
    """Give up what was half done in a sink that is gone: it is still on the server, and comes again."""
    config = begun(settings)
    with Service(config) as service:
        count = service.forget(chosen(config, mailbox))
    click.echo(f"{count} messages of {mailbox} were given up; the next poll fetches them again")


def _rows(config: Config) -> list[dict[str, object]]:
    with open_ledger(config.service, read_only=True) as ledger:
        sinks = Sinks(ledger.id, ledger.staging_owner, config.service.state_dir)
        opened = {sink.spec: sink for sink in map(sinks.open, config.mailboxes.values())}
        return [
            {
                "sink": spec,
                "mailbox": claim.feeder.mailbox.address,
                "ledger": "this one" if claim.feeder.ledger == ledger.id else claim.feeder.ledger,
                "host": claim.feeder.host,
                "state_dir": claim.feeder.state_dir,
                "given_to": "this one" if claim.heir == ledger.id else claim.heir,
            }
            for spec, sink in opened.items()
            for claim in sink.claims()
            if claim.feeder is not None
        ]
