"""`mailsluice backup`: a whole copy of the state directory, made while the daemon runs.

Owns the place of the copy, its privacy, and that half a copy is never taken for a whole one: the mark is
written first and the ledger last, and a state directory with a mark but no ledger is refused. Must never
change the state.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import click

from mailsluice.auth.keyrings.keyring import Keyring
from mailsluice.auth.keyrings.seal import KEY, KEY_CREDENTIAL, VAULT
from mailsluice.cli.main import Settings
from mailsluice.config.models import Config
from mailsluice.errors import BackupError, system_remedy
from mailsluice.files.directory import Directory
from mailsluice.files.error import FileError
from mailsluice.files.private import replace_private
from mailsluice.ledger import LedgerCopy, usable
from mailsluice.obs.clean import json_text, printable

_PRIVATE = 0o700
_NOT_ENCRYPTED = "A .cred file is no copy of it: only this machine can decrypt that"


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.pass_obj
def command(settings: Settings, directory: Path, *, as_json: bool) -> None:
    """Copy the whole state to DIR: ledger, secrets and their key. DIR must be missing or empty.

    The daemon may be running. How to restore the copy: docs/operations.md, "Backup and restore".
    """
    config = settings.config()
    files = _back_up(config, directory.absolute())
    lacks = list(_lacks(config, files))
    if as_json:
        click.echo(json_text({"directory": str(directory.absolute()), "files": files, "lacks": lacks}))
        return
    click.echo(printable(f"{', '.join(files)} copied to {directory}"))
    for line in lacks:
        click.echo(line)


def _lacks(config: Config, files: Sequence[str]) -> Iterator[str]:
    """What a whole copy would need, and the state directory does not have."""
    if VAULT in files and KEY not in files:
        yield f"The key of {VAULT} is not in it: keep {KEY_CREDENTIAL} elsewhere, too. {_NOT_ENCRYPTED}"
    match config.keyring.backend:
        case "systemd":
            yield f"The secrets are not in it: systemd has them. Keep them elsewhere, too. {_NOT_ENCRYPTED}"
        case "secret-service":
            yield "The secrets are not in it: they are in this user's keyring, so back that up, too"


def _back_up(config: Config, path: Path) -> list[str]:
    """Make the copy, and return the names of its files. If it raises MailsluiceError, nothing is left."""
    state_dir = config.service.state_dir
    if path.resolve().is_relative_to(state_dir.resolve()):
        raise BackupError(f"{path} is in the state directory", remedy="name a directory outside of it")
    keyring = Keyring(state_dir, "sealed")  # whatever the backend: these files are the vault's
    with _explained(path), ExitStack() as opened, ExitStack() as undo:
        directory = _opened(path, opened, undo)
        copy = LedgerCopy(directory)
        undo.callback(copy.give_up)
        with _rights_of_owner(state_dir):
            copy.take(state_dir)
            secrets = keyring.files()
        # From the mark to `finish` the copy counts as half: without its ledger, it is refused.
        copy.mark()
        for name, octets in secrets.items():
            undo.callback(directory.unlink, name)
            replace_private(path / name, octets)
        copy.finish()
        if os.access(path.parent, os.R_OK):  # to sync a directory one must be allowed to read it
            opened.enter_context(Directory.follow(path.parent)).sync()
        undo.pop_all()
    return [*copy.files, *secrets]


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if isinstance(exc, FileError) and exc.is_of_a_rule:
            raise BackupError(str(exc), remedy=exc.remedy) from exc
        what = str(exc) if isinstance(exc, FileError) else f"{exc.filename or directory}: {exc.strerror}"
        remedy = system_remedy(exc, "name a directory that can be made, or that is empty and your own")
        raise BackupError(what, remedy=remedy) from exc


def _opened(path: Path, opened: ExitStack, undo: ExitStack) -> Directory:
    """Open an empty directory that only we can use, and make it if it is missing. Raises FileError."""
    Directory.refuse_way(path)
    if path.exists():
        directory = opened.enter_context(Directory.follow(path))
    else:
        parent = opened.enter_context(Directory.follow(path.parent))
        directory = opened.enter_context(parent.make(path.name, _PRIVATE))
        undo.callback(_remove, parent, path.name)
    directory.refuse_if_open()
    directory.make_private()
    if directory.names():
        raise BackupError(f"{path} is not empty", remedy="name a directory that is missing or empty")
    return directory


def _remove(parent: Directory, name: str) -> None:
    with suppress(FileError):
        parent.remove(name)


@contextmanager
def _rights_of_owner(state_dir: Path) -> Iterator[None]:
    """Read the state with the service's rights, also if root calls.

    The service's user owns the directory. With links in it, that user could make root copy other files.
    """
    with usable(state_dir):
        owner = state_dir.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    try:
        os.setgroups([])
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)  # last: after it, the groups cannot be changed
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
