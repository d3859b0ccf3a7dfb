"""`mailsluice sink`: which ledgers store mail in a sink, and what to do if a ledger or a sink is gone.

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
    """Show which ledgers use each sink. Take over a sink, or give up one that is gone."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_(settings: Settings, *, as_json: bool) -> None:
    """List the ledgers that store mail in the sinks of all mailboxes, and for which mailboxes."""
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
    """Let the ledger of this configuration use a mailbox's sink, in place of any other ledger.

    Messages that are still on the server and that this ledger does not know are stored again. Run `seen`
    before the next poll to prevent that. But `seen` also marks new mail, and that is then never fetched.
    """
    config = begun(settings)
    with Service(config) as service:
        service.adopt(chosen(config, mailbox))
    click.echo(f"the ledger in {config.service.state_dir} uses the sink of {mailbox} from now on")


@command.command()
@click.argument("mailbox")
@click.pass_obj
def forget(settings: Settings, mailbox: str) -> None:
    """Give up messages that were not finished in a sink that is gone. They are fetched again."""
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
