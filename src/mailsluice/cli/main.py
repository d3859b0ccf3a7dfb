"""The entry point: which command is called, and what the program ends with.

Owns how an error is shown, and the two exit codes that are not an outcome's: for wrong usage and for an
interrupt. Must never import what only some commands need. Each command is loaded when it is called, so that
`--help` is fast.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailsluice import __version__, invocation
from mailsluice.errors import MailsluiceError
from mailsluice.obs import outlet
from mailsluice.obs.clean import presentable
from mailsluice.outcome import ExitCode
from mailsluice.system import memory

if TYPE_CHECKING:
    from mailsluice.config.models import Config

COMMANDS = {
    "run": "The daemon: poll on schedule until SIGTERM; SIGHUP reloads.",
    "check": "Try every step on the way to the mail; name the cause of a failure, and the remedy.",
    "poll": "Poll all mailboxes, or the named ones, once.",
    "status": "The daemon, and each mailbox: last success, next poll, what runs, errors.",
    "secret": "Put secrets into the keyring, list and delete them.",
    "login": "Sign in as a person, for credentials with a flow of device-code or browser.",
    "quarantine": "List, show and retry the messages that could not be fetched.",
    "sink": "Show which ledgers feed a sink; take over from one that is gone.",
    "seen": "Mark mail on the server as seen, or decide about uncertain messages.",
    "backup": "Copy the whole state, while the daemon runs.",
    "config": "Check the configuration; print its schema or an example.",
    "demo": "A simulated Exchange Online and a poll of it, on this machine.",
}
"""Each command, and its line in `--help`. The command is `command` in the module of the same name."""

USAGE = 64
OUTPUT_LOST = 74
"""The output could not be written (EX_IOERR)."""
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Settings:
    """What every command gets: the configuration file that the command line names, if any."""

    file: Path | None = None

    @property
    def path(self) -> Path:
        """The configuration file. Raises ConfigurationError if there is none."""
        from mailsluice.config.load import SYSTEM_FILE, find  # noqa: PLC0415  --help does without pydantic

        path = find(self.file)
        invocation.note_file(None if path == SYSTEM_FILE else path)
        return path

    def config(self) -> Config:
        """The configuration, read from the file now. Raises ConfigurationError."""
        from mailsluice.config.load import load  # noqa: PLC0415  --help does without pydantic

        return load(self.path)


class _LazyGroup(click.Group):
    """The commands of the table above. Each is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  as above
        if cmd_name not in COMMANDS:
            return None
        return _loaded(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and note how it was called, for the remedies that name a command."""
        invocation.note_arguments(args)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  as above
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _loaded(name: str) -> click.Command:
    """The command of that name, imported."""
    command: click.Command = import_module(f"mailsluice.cli.{name}").command
    # What was imported stays to the end. Unless it is frozen, the garbage collector looks through it again
    # and again. A poll then takes an eighth more CPU, which `benchmarks start` leaves no room for.
    gc.freeze()
    return command


@click.group(cls=_LazyGroup)
@click.option(
    "-c",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path, readable=False),  # `load` reports if it cannot be read
    help="Configuration; else $MAILSLUICE_CONFIG, ./mailsluice.toml, /etc/mailsluice/mailsluice.toml.",
)
@click.version_option(__version__, prog_name="mailsluice")
@click.pass_context
def mailsluice(context: click.Context, file: Path | None) -> None:
    """Move mail out of Exchange Online into a spool directory or a Maildir, exactly once."""
    context.obj = Settings(file)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line. Returns the exit code (sysexits) when all output is out, if somebody reads it."""
    if arguments is None:
        _speak_utf8()
        memory.keep_private()  # after it: a new start undoes this
    try:
        return _ended(arguments)
    finally:
        outlet.drain()


def _ended(arguments: list[str] | None) -> int:
    try:
        with mailsluice.make_context(
            "mailsluice", sys.argv[1:] if arguments is None else arguments
        ) as context:
            mailsluice.invoke(context)
        sys.stdout.flush()  # here, so that a reader who is gone is noticed below
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # no error of ours: `mailsluice status | head`
        _forget_output()
    except MailsluiceError as error:
        return _failed(error)
    except Exception as error:  # noqa: BLE001  the program's outermost door
        return _unexpected(error)
    return 0


def _is_of_output(error: Exception) -> bool:
    """Whether this is standard output that cannot be written: a disk may be full, and a terminal gone.

    Our own files have errors of their own. So it is one of the system's, for no file, from what prints.
    """
    if not isinstance(error, OSError) or error.filename is not None or error.__traceback__ is None:
        return False
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return (
        str(frame.f_globals.get("__name__")).partition(".")[0] in {"click", "rich"}
        or frame.f_code is _ended.__code__
    )


def _speak_utf8() -> None:
    """Start again in Python's UTF-8 mode, if the locale has another encoding.

    A configuration is UTF-8. In another encoding, a path in it would have other octets, and so be another
    file, than for a service, whose locale is usually C.UTF-8. Python chooses its encoding before any code of
    ours runs, so only a new start can change it. For the locale C, Python does this itself (PEP 540).
    """
    if sys.getfilesystemencoding() != "utf-8":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606  ourselves


def _failed(error: MailsluiceError) -> int:
    from mailsluice.session.triage import triage  # noqa: PLC0415  --help does without it

    verdict = triage(error)
    _say(str(error))
    if verdict.remedy:
        _say(verdict.remedy)
    return verdict.exit_code


def _unexpected(error: Exception) -> int:
    """Report a bug; or a file that this user has no right to, or an output that cannot be written."""
    if isinstance(error, PermissionError) and isinstance(error.filename, str):
        from mailsluice.files import rights  # noqa: PLC0415  --help does without

        _say(f"{error.filename}: {error.strerror}")
        _say(rights.remedy(Path(error.filename)))
        return ExitCode.REFUSED
    if _is_of_output(error):
        _say(f"the output cannot be written: {error}")
        _forget_output()
        return OUTPUT_LOST
    _say(f"This is a bug in mailsluice {__version__}; please report it with these lines:")
    _say(traceback.format_exc())
    return ExitCode.BUG


def _say(text: str) -> None:
    """Print it after the lines of the log, and do not wait for a reader who has stopped reading."""
    stream = outlet.standard_error()
    stream.write(f"{presentable(text)}\n")
    stream.flush()


def _forget_output() -> None:
    """Discard the rest of the output, because its reader is gone.

    Otherwise Python would try to write it when it ends, and report another error.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
