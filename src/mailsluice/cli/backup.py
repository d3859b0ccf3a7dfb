"""`mailsluice backup`: a whole copy of the state directory, made while the daemon runs.

Owns where the copy lies, that it is private, and that half a one never passes for whole: the mark comes first
and the ledger last, and a state directory that has a mark and no ledger is refused. Must never change the
state.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import click

from mailsluice.auth.keyring import Keyring
from mailsluice.auth.vault import KEY, KEY_CREDENTIAL, VAULT
from mailsluice.cli.main import Settings
from mailsluice.errors import BackupError, system_remedy
from mailsluice.files.private import replace_private
from mailsluice.files.trust import Problem, problem_of_place, problem_of_way
from mailsluice.ledger import LedgerCopy
from mailsluice.ledger.directory import sync, usable
from mailsluice.obs.clean import json_text, printable


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.pass_obj
def command(settings: Settings, directory: Path, *, as_json: bool) -> None:
    """Copy the whole state into DIR, which must be missing or empty: ledger, secrets and their key.

    The daemon may run meanwhile. How to restore it: docs/operations.md, "Backup and restore".
    """
    files = _back_up(settings.config().service.state_dir, directory.absolute())
    if as_json:
        click.echo(json_text({"directory": str(directory.absolute()), "files": files}))
        return
    click.echo(printable(f"{', '.join(files)} copied into {directory}"))
    if VAULT in files and KEY not in files:
        click.echo(f"The key of {VAULT} is not here: keep it, too, where {KEY_CREDENTIAL} comes from")


def _back_up(state_dir: Path, directory: Path) -> list[str]:
    """The copy, made and durable; the names of its files. Raises MailsluiceError, and leaves nothing then."""
    if directory.resolve().is_relative_to(state_dir.resolve()):
        raise BackupError(f"{directory} lies in the state directory", remedy="name a directory outside of it")
    keyring = Keyring(state_dir)
    with _explained(directory), ExitStack() as undo:
        _make(directory, undo)
        copy = LedgerCopy(directory)
        undo.callback(copy.give_up)
        with _rights_of_owner(state_dir):
            copy.take(state_dir)
            secrets = keyring.files()
        copy.mark()
        for name, octets in secrets.items():
            undo.callback((directory / name).unlink, missing_ok=True)
            replace_private(directory / name, octets)
        copy.finish()
        if os.access(directory.parent, os.R_OK):
            sync(directory.parent)
        undo.pop_all()
    return [*copy.files, *secrets]


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise BackupError(
            f"{exc.filename or directory}: {exc.strerror}",
            remedy=system_remedy(exc, "name a directory that can be made, or is empty and your own"),
        ) from exc


def _make(directory: Path, undo: ExitStack) -> None:
    """An empty directory that is ours alone."""
    _refuse(problem_of_way(directory))
    if not directory.exists():
        directory.mkdir(mode=0o700)
        undo.callback(_remove, directory)
    _refuse(problem_of_place(directory, directory.stat()))
    directory.chmod(0o700)
    if any(directory.iterdir()):
        raise BackupError(f"{directory} is not empty", remedy="name a directory that is missing or empty")


def _remove(directory: Path) -> None:
    with suppress(OSError):
        directory.rmdir()


def _refuse(problem: Problem | None) -> None:
    if problem is not None:
        raise BackupError(problem.what, remedy=problem.remedy)


@contextmanager
def _rights_of_owner(state_dir: Path) -> Iterator[None]:
    """Let root have no more rights than the service has, who could lead root elsewhere."""
    with usable(state_dir):
        owner = state_dir.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    try:
        os.setgroups([])
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
