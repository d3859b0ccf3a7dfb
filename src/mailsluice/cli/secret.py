"""`mailsluice secret`: store secrets in the keyring, list their names, delete them.

Owns how a secret is read: from a prompt without echo, or from standard input. Must never accept a secret as
an argument, and never print one.
"""

from __future__ import annotations

import base64
import json
import re
import sys

import click

from mailsluice.auth.secrets import Secrets, without_line_end
from mailsluice.cli.main import Settings
from mailsluice.config.types import NAME

_LONGEST = 64 * 1024


@click.group()
def command() -> None:
    """Store secrets in the keyring, list and delete them. The configuration names them keyring:NAME."""


def _name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not re.fullmatch(NAME, value):
        raise click.BadParameter("use up to 64 of A-Z a-z 0-9 . _ - and begin with a letter or digit")
    return value


@command.command("set", options_metavar="NAME")
@click.argument("name", metavar="", callback=_name)
@click.argument("more", metavar="", nargs=-1)
@click.pass_obj
def set_(settings: Settings, name: str, more: tuple[str, ...]) -> None:
    """Store a secret under NAME. It is asked for without echo, or read from standard input."""
    if more:  # probably the secret itself: click's own message would repeat it
        raise click.UsageError("a secret is never an argument: type it at the prompt, or pipe it in")
    secrets = _secrets(settings)
    secrets.store(name, _prompted(name) if sys.stdin.isatty() else _piped())
    click.echo(f"keyring:{name} is set")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@click.pass_obj
def list_(settings: Settings, *, as_json: bool) -> None:
    """List the names of the secrets, never the secrets."""
    names = _secrets(settings).names()
    if as_json:
        click.echo(json.dumps(names))
    else:
        for name in names:
            click.echo(name)


@command.command()
@click.argument("name", callback=_name)
@click.pass_obj
def delete(settings: Settings, name: str) -> None:
    """Delete the secret NAME."""
    _secrets(settings).delete(name)
    click.echo(f"keyring:{name} is deleted")


def _secrets(settings: Settings) -> Secrets:
    return Secrets(settings.config().service.state_dir)


def _prompted(name: str) -> str:
    value: str = click.prompt(f"Secret for keyring:{name}", hide_input=True, confirmation_prompt=True)
    return value


def _piped() -> str:
    raw = sys.stdin.buffer.read(_LONGEST + 1)
    if len(raw) > _LONGEST:
        raise click.UsageError(
            f"standard input has more than {_LONGEST} octets, which is too long for a secret"
        )
    try:
        value = without_line_end(raw.decode())
    except UnicodeDecodeError:
        value = _pfx_as_text(raw)
    if not value:
        raise click.UsageError("the secret on standard input is empty")
    return value


def _pfx_as_text(raw: bytes) -> str:
    """A PFX in base64, because the keyring keeps text. Anything else that is no text is refused."""
    from mailsluice.auth.sources.certificate import is_pfx  # noqa: PLC0415  cryptography: only where needed

    if not is_pfx(raw):
        # `from None`: the cause would have the octets of the secret.
        raise click.UsageError("standard input is neither UTF-8 text nor a PFX file") from None
    click.echo("standard input is a PFX file: it is stored as base64 text")
    return base64.b64encode(raw).decode()
