"""`mailsluice config`: check the configuration, print its schema or an example.

Owns how the result is shown. Must never read a file itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from mailsluice import invocation
from mailsluice.cli.main import Settings
from mailsluice.config import example as examples
from mailsluice.errors import ConfigurationError
from mailsluice.obs.clean import printable

_UNTRIED = "syntax and values only; `{check}` tries them"
"""What was not looked at. Who reads `ok` may think that mail can be fetched."""


@click.group()
def command() -> None:
    """Check the configuration; print its schema or an example."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.pass_obj
def check(settings: Settings, *, as_json: bool) -> None:
    """Read the configuration and show every mistake: file, key, and what would be right.

    Nothing is tried: no secret is read, and no server is asked. `mailsluice check` does that.

    A warning, for example about a file that a group may write, is no mistake. If there are cron lines, the
    local time for them is shown.
    """
    try:
        config = settings.config()
    except ConfigurationError as error:
        if not as_json:
            raise
        _show_json(mailboxes=0, mistakes=error.mistakes, warnings=[], zone=None)
        raise click.exceptions.Exit(error.exit_code) from None
    warnings = [f"{warning.what}; {warning.remedy}" for warning in config.warnings]
    zone = config.zone.name if config.zone else None
    if as_json:
        _show_json(mailboxes=len(config.mailboxes), mistakes=[], warnings=warnings, zone=zone)
        return
    count = len(config.mailboxes)
    click.echo(f"{settings.path}: ok, {count} mailbox{'' if count == 1 else 'es'}")
    click.echo(printable(_UNTRIED.format(check=invocation.command("check"))))
    if zone is not None:
        click.echo(printable(f"cron lines are in local time: {zone}"))
    for warning in warnings:
        click.echo(printable(f"warning: {warning}"), err=True)


def _show_json(*, mailboxes: int, mistakes: Sequence[str], warnings: Sequence[str], zone: str | None) -> None:
    answer = {
        "ok": not mistakes,
        "mailboxes": mailboxes,
        "mistakes": mistakes,
        "warnings": warnings,
        "zone": zone,
        "checked": "syntax and values",
    }
    click.echo(json.dumps(answer, indent=2))


@command.command()
def schema() -> None:
    """Print the JSON schema of the configuration, for editors."""
    click.echo(examples.schema_text(), nl=False)


@command.command()
def example() -> None:
    """Print a commented example to start from."""
    click.echo(examples.example_text(), nl=False)
