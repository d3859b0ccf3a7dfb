"""`mailsluice config`: check the configuration, print its schema or an example.

Owns how the answer is shown; must never read a file itself.
"""

from __future__ import annotations

import json

import click

from mailsluice.cli.main import Settings
from mailsluice.config import example as examples
from mailsluice.errors import ConfigurationError


@click.group()
def command() -> None:
    """Check the configuration; print its schema or an example."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.pass_obj
def check(settings: Settings, *, as_json: bool) -> None:
    """Read the configuration and name every mistake: file, key, and what would be right."""
    mistakes: tuple[str, ...] = ()
    mailboxes = 0
    try:
        mailboxes = len(settings.config().mailboxes)
    except ConfigurationError as error:
        if not as_json:
            raise
        mistakes = error.mistakes
    if as_json:
        click.echo(json.dumps({"ok": not mistakes, "mailboxes": mailboxes, "mistakes": mistakes}, indent=2))
    else:
        click.echo(f"{settings.path}: ok, {mailboxes} mailbox{'' if mailboxes == 1 else 'es'}")
    if mistakes:
        raise click.exceptions.Exit(ConfigurationError.exit_code)


@command.command()
def schema() -> None:
    """Print the JSON schema of the configuration, for editors."""
    click.echo(examples.schema_text(), nl=False)


@command.command()
def example() -> None:
    """Print a commented example to start from."""
    click.echo(examples.example_text(), nl=False)
