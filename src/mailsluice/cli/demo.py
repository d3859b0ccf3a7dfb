"""`mailsluice demo`: the whole program, end to end, on this machine.

Owns the command's options. Must never import the simulated servers before they are needed: they are an extra.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from mailsluice.outcome import ExitCode


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="A new directory for the demo's files. The default is one in the temporary directory.",
)
def command(directory: Path | None) -> None:
    """Show how the daemon polls a simulated Exchange Online. It needs only this machine."""
    try:
        from mailsluice_sandbox.demo import DemoFailed, demonstrate  # noqa: PLC0415  an extra, as said below
    except ModuleNotFoundError as error:
        raise _not_installed(error) from error
    folder = _folder(directory)
    try:
        demonstrate(folder, Console(soft_wrap=True, highlight=False))
    except DemoFailed as failure:
        click.echo(f"The demo failed: {failure}", err=True)
        sys.exit(ExitCode.BUG)


def _not_installed(error: ModuleNotFoundError) -> click.UsageError:
    """What to do if the packages that the simulated servers need are not installed."""
    install = shlex.join([sys.executable, "-m", "pip", "install", "mailsluice[demo]"])
    return click.UsageError(f"the demo is not installed ({error.name} is missing): `{install}` installs it")


def _folder(directory: Path | None) -> Path:
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="mailsluice-demo-"))
    try:
        directory.mkdir(mode=0o700)
    except OSError as error:
        raise click.UsageError(f"cannot make {directory}: {error.strerror}") from error
    return directory.resolve()
