"""`mailsluice demo`: everything end to end, on this machine."""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Leave the files here, in a new directory; by default one in the system's temporary directory.",
)
def command(directory: Path | None) -> None:
    """Show a simulated Exchange Online and the daemon at work on it; needs nothing but this machine."""
    try:
        from mailsluice_sandbox.demo import DemoFailed, demonstrate  # noqa: PLC0415  an extra, as said below
    except ModuleNotFoundError as error:
        raise _not_installed(error) from error
    folder = _folder(directory)
    try:
        demonstrate(folder, Console(soft_wrap=True, highlight=False))
    except DemoFailed as failure:
        click.echo(f"The demo failed: {failure}", err=True)
        sys.exit(70)


def _not_installed(error: ModuleNotFoundError) -> click.UsageError:
    """What to do where the program was installed without what the simulated servers need."""
    install = shlex.join([sys.executable, "-m", "pip", "install", "mailsluice[demo]"])
    return click.UsageError(f"the demo is not installed ({error.name} is missing): `{install}` brings it")


def _folder(directory: Path | None) -> Path:
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="mailsluice-demo-"))
    try:
        directory.mkdir(mode=0o700)
    except OSError as error:
        raise click.UsageError(f"cannot make {directory}: {error.strerror}") from error
    return directory.resolve()
