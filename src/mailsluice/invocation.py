"""The invocation: how this process was called, so that a message can name a command that works as it stands.

Owns how our commands are spelled: with the program's path if PATH does not find it, with the configuration
file if the program would not find it by itself, and for the right user. Must never run one.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mailsluice.system.users import group_name, user_name

_NAME = "mailsluice"
_NO_SHELLS = ("nologin", "false")
"""A user whose shell ends so belongs to a service: nobody can log in as this user."""


@dataclass
class _Call:
    """What the command line has noted about this call; nothing if no command line started the program."""

    file: Path | None = None
    arguments: tuple[str, ...] = ()


_call = _Call()


def note_file(path: Path | None) -> None:
    """Remember the configuration file that commands must name; None if they find it by themselves."""
    _call.file = path
    with suppress(FileNotFoundError):  # the working directory was removed, and so was a file relative to it
        _call.file = path and path.absolute()


def note_arguments(arguments: Sequence[str]) -> None:
    """Remember which command was called, and with which arguments, without the options before its name."""
    _call.arguments = tuple(arguments)


def command(*arguments: str) -> str:
    """A command of ours that works from any directory.

    If this process runs as a service's user, the command is spelled for root, because nobody can log in as
    that user.
    """
    if _is_a_service(os.geteuid()):
        return shlex.join([*_becoming(os.geteuid()), *program(), *_options(), *arguments])
    return shlex.join([*_shortest_program(), *_options(), *arguments])


def again_as(uid: int) -> str:
    """The command that was called, but run as the user `uid`."""
    return shlex.join([*_becoming(uid), *program(), *_options(), *_call.arguments])


def in_a_unit(uid: int, settings: Sequence[str], *arguments: str) -> str:
    """A command for root that runs a command of ours as the user `uid`, in a unit with these settings.

    It works at a terminal and with a pipe, and its exit code is the command's.
    """
    properties = [f"--property={setting}" for setting in (f"User={uid}", *settings)]
    words = ["systemd-run", "--quiet", "--pty", "--pipe", "--wait", "--collect", *properties]
    return shlex.join([*words, *program(), *_options(), *arguments])


def about(section: str, address: str, *words: str) -> str:
    """A command of ours about a mailbox, in quotes. If it has no section, also what must be done first."""
    if section:
        return f"`{command(*words, section)}`"
    return f"put {address} into the configuration again, and run `{' '.join(words)}` for it"


def directory(path: Path, mode: int) -> str:
    """A command that makes a directory for this process; spelled for root if the user is a service's."""
    words = ["install", "-d", "-m", f"{mode:04o}"]
    if os.geteuid() == 0 or _is_a_service(os.geteuid()):
        # A user or group without a name is `#NUMBER` here, and `install` takes the number alone.
        user, group = user_name(os.geteuid()), group_name(os.getegid())
        words += ["-o", user.removeprefix("#"), "-g", group.removeprefix("#")]
    return shlex.join([*words, str(path)])


def program() -> list[str]:
    """The words that run exactly this program, whatever is on the caller's PATH."""
    script = Path(sys.executable).with_name(_NAME)
    return [str(script)] if script.exists() else [sys.executable, "-m", _NAME]


def _shortest_program() -> list[str]:
    found, ours = shutil.which(_NAME), program()[0]
    # A relative entry in PATH would be another program in another directory.
    if found and Path(found).is_absolute() and Path(found).samefile(ours):
        return [_NAME]
    return program()


def _options() -> list[str]:
    return [] if _call.file is None else ["-c", str(_call.file)]


def _becoming(uid: int) -> list[str]:
    """The words before a command that run it as the user `uid`: for root, or for a person with sudo."""
    name = user_name(uid)
    if os.geteuid() != 0 and not _is_a_service(os.geteuid()):
        return ["sudo", "-u", name, "--"]
    if name.startswith("#"):  # a user without a name, which runuser does not take
        return ["setpriv", "--reuid", str(uid), "--clear-groups", "--"]
    return ["runuser", "-u", name, "--"]


def _is_a_service(uid: int) -> bool:
    try:
        return pwd.getpwuid(uid).pw_shell.endswith(_NO_SHELLS)
    except KeyError:  # a user without an entry, as in a container: its commands are spelled as they are
        return False
