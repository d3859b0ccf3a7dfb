"""`mailsluice secret init`: the key that the sealed files of the state directory need.

Owns what people are told about it: where it is, what it protects and what not, and how systemd can keep it.
Must never print it.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from mailsluice import invocation
from mailsluice.auth.keyrings.keyring import Keyring
from mailsluice.auth.keyrings.seal import KEY, KEY_CREDENTIAL
from mailsluice.auth.keyrings.systemd import encrypted, encrypting
from mailsluice.cli.main import Settings
from mailsluice.config.models import Config
from mailsluice.obs.clean import printable


@click.command()
@click.pass_obj
def init(settings: Settings) -> None:
    """Make the key of the sealed files, if there is none; say what it protects, and how systemd keeps it."""
    config = settings.config()
    keyring = Keyring(config.service.state_dir, config.keyring.backend)
    made = keyring.make_key()
    key = keyring.key()
    if not made and key is not None:
        click.echo(printable(f"There is a key already: {key.origin} ({key.id})"))
    if key is not None and key.origin != config.service.state_dir / KEY:
        click.echo(
            "systemd provides it. Keep a copy of it off this machine: backups cannot be read without it."
        )
        click.echo(f"A command that needs it runs like this, as root:\n  {_run(config)}")
        return
    about_key(config)


def about_key(config: Config) -> None:
    """Say where the key file is, what it protects and what not, and how systemd can keep the key instead."""
    file = config.service.state_dir / KEY
    setting = f"LoadCredentialEncrypted={KEY_CREDENTIAL}:{encrypted(KEY_CREDENTIAL)}"
    text = f"""\
The key that seals secrets, tokens and sign-ins is the file {file}.
It protects copies and backups that have the sealed files without it. Other users can read neither.
It does not protect from root, nor from anybody who reads the whole state directory: they have the key, too.

With systemd, the key can be encrypted for this machine instead. As root:
  {encrypting(KEY_CREDENTIAL, str(file))}
  systemctl edit mailsluice    # and write: [Service]
                               # {setting}
  systemctl restart mailsluice
Then move {file} to a safe place off this machine: backups cannot be read without it.
From then on, a command that needs the key runs like this, as root:
  {_run(config)}"""
    for line in text.splitlines():
        click.echo(printable(line))


def _run(config: Config) -> str:
    setting = f"LoadCredentialEncrypted={KEY_CREDENTIAL}:{encrypted(KEY_CREDENTIAL)}"
    return invocation.in_a_unit(_user(config.service.state_dir), [setting], "secret", "set", "NAME")


def _user(state_dir: Path) -> int:
    """Who the daemon runs as, as far as can be known: the owner of the state directory."""
    return state_dir.stat().st_uid if state_dir.exists() else os.geteuid()
