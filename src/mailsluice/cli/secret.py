"""`mailsluice secret`: store secrets in the keyring, list their names, delete them.

Owns how a secret is read: from a prompt without echo, or from standard input. Must never accept a secret as
an argument, and never print one.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Sequence

import click

from mailsluice import invocation
from mailsluice.auth.keyrings.keyring import Keyring
from mailsluice.auth.renewal import renewed
from mailsluice.auth.text import doubts, tidied
from mailsluice.cli.main import Settings
from mailsluice.cli.secret_check import check
from mailsluice.cli.secret_key import about_key, init
from mailsluice.config.models import Config
from mailsluice.config.references import references
from mailsluice.config.types import NAME, SecretRef
from mailsluice.files.error import FileError
from mailsluice.obs.clean import printable

_LONGEST = 64 * 1024
_LONGEST_LINE = 4095
"""Octets of a line that a terminal hands on. It drops the rest without a word (termios(3))."""
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@click.group()
def command() -> None:
    """Store secrets in the keyring, list and delete them. The configuration names them keyring:NAME."""


command.add_command(init)
command.add_command(check)


def _name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not re.fullmatch(NAME, value):
        raise click.BadParameter("use up to 64 of A-Z a-z 0-9 . _ - and begin with a letter or digit")
    return value


@command.command("set", options_metavar="[--raw] NAME")
@click.argument("name", metavar="", callback=_name)
@click.argument("more", metavar="", nargs=-1)
@click.option("--raw", is_flag=True, help="Store exactly what comes, and do not look at it.")
@click.pass_obj
def set_(settings: Settings, name: str, more: tuple[str, ...], *, raw: bool) -> None:
    """Store a secret under NAME. It is asked for without echo, or read from standard input.

    Line ends around it are not stored. What is probably a mistake is asked about, or warned of.
    """
    if more:  # probably the secret itself: click's own message would repeat it
        raise click.UsageError("a secret is never an argument: type it at the prompt, or pipe it in")
    config = settings.config()
    keyring = _keyring(config)
    if _is_typed() and _is_used(config, name, "certificate"):
        what = invocation.command("secret", "set", name)
        raise click.UsageError(f"a certificate and its key cannot be typed: `{what} < FILE` (PEM or PFX)")
    value = _prompted(name) if _is_typed() else _piped()
    if not raw:
        value = _looked_at(name, value, is_client_secret=_is_used(config, name, "client_secret"))
    made = config.keyring.backend == "sealed" and keyring.make_key()
    keyring.store(name, value)
    click.echo(f"keyring:{name} is set")
    _tell_daemon(config, name)
    if made:
        about_key(config)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@click.pass_obj
def list_(settings: Settings, *, as_json: bool) -> None:
    """List the names of the secrets, never the secrets."""
    names = _keyring(settings.config()).names()
    if as_json:
        click.echo(json.dumps(names))
    else:
        for name in names:
            click.echo(printable(name))


@command.command()
@click.argument("name", callback=_name)
@click.pass_obj
def delete(settings: Settings, name: str) -> None:
    """Delete the secret NAME."""
    config = settings.config()
    _keyring(config).delete(name)
    click.echo(f"keyring:{name} is deleted")
    _tell_daemon(config, name)


def _keyring(config: Config) -> Keyring:
    return Keyring(config.service.state_dir, config.keyring.backend)


def _tell_daemon(config: Config, name: str) -> None:
    """Let a running daemon use it at once. The secret is stored, so this is no reason to fail."""
    try:
        renewed(config.service.state_dir, f"keyring:{name}")
    except FileError as error:
        click.echo(printable(f"A running daemon was not told of it, and looks by itself: {error}"), err=True)


def _is_used(config: Config, name: str, key: str) -> bool:
    """Whether this key of a section refers to the secret."""
    ref = SecretRef("keyring", name)
    return any(found.ref == ref and found.key == key for found in references(config))


def _is_typed() -> bool:
    """Whether a person types it. A closed standard input is none at all for Python."""
    return sys.stdin is not None and sys.stdin.isatty()


def _prompted(name: str) -> str:
    pipe = "write it to a private file, and pipe that in"
    try:
        value: str = click.prompt(f"Secret for keyring:{name}", hide_input=True, confirmation_prompt=True)
    except UnicodeDecodeError:
        # `from None`: the cause would have the octets of the secret.
        raise click.UsageError(f"what the terminal sends is not UTF-8 text; {pipe}") from None
    if len(value.encode(errors="surrogateescape")) >= _LONGEST_LINE:
        raise click.UsageError(
            f"a terminal hands on only {_LONGEST_LINE} octets of a line, and a part is probably lost; {pipe}"
        )
    return value


def _piped() -> str:
    if sys.stdin is None:
        raise click.UsageError("there is no secret: standard input is closed")
    raw = sys.stdin.buffer.read(_LONGEST + 1)
    if len(raw) > _LONGEST:
        raise click.UsageError(
            f"standard input has more than {_LONGEST} octets, which is too long for a secret"
        )
    try:
        value = raw.decode()
    except UnicodeDecodeError:
        value = _pfx_as_text(raw)
    if not value:
        raise click.UsageError("the secret on standard input is empty")
    return value


def _pfx_as_text(raw: bytes) -> str:
    """A PFX in base64, because the keyring keeps text. Anything else that is no text is refused."""
    from mailsluice.auth.sources.certificate import is_pfx  # noqa: PLC0415  cryptography: only where needed

    if not is_pfx(raw):
        what = "UTF-16 text, as PowerShell writes it" if raw.startswith(_UTF_16) else "not UTF-8 text"
        # `from None`: the cause would have the octets of the secret.
        raise click.UsageError(f"standard input is {what}; a secret is UTF-8 text or a PFX file") from None
    click.echo("standard input is a PFX file: it is stored as base64 text")
    return base64.b64encode(raw).decode()


def _looked_at(name: str, value: str, *, is_client_secret: bool) -> str:
    """The secret to store, after a person was asked, or warned, about what is probably a mistake."""
    while True:
        tidy = tidied(value)
        if not tidy.text:
            raise click.UsageError("the secret has nothing in it but line ends")
        for removed in tidy.removed:
            click.echo(f"Not stored: {removed}. (--raw would store it)", err=True)
        found = doubts(tidy.text, is_client_secret=is_client_secret)
        if not _is_typed():
            for doubt in found:
                click.echo(f"warning: the secret {doubt}; it is stored so", err=True)
            return tidy.text
        if not found or _confirmed(found):
            return tidy.text
        value = _prompted(name)


def _confirmed(found: Sequence[str]) -> bool:
    return click.confirm(f"The secret {', and '.join(found)}. Store it so?", default=False, err=True)
