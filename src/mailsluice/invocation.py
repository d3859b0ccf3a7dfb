"""The invocation: how this process was called, so that a message can name a command that works as it stands.

Owns the spelling of every command of ours: by the program's own path where PATH does not find it, with the
configuration file where it is not the system's, and as the user it is for. Must never run one.
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


@dataclass
class _Call:
    """What the command line has noted of its call; nothing where the program was not called by one."""

    file: Path | None = None
    arguments: tuple[str, ...] = ()


_call = _Call()


def note_file(path: Path | None) -> None:
    """Remember the configuration file that commands must name; None if they find it by themselves."""
    _call.file = path
    with suppress(FileNotFoundError):  # the working directory has gone: what is relative to it, too
        _call.file = path and path.absolute()


def note_arguments(arguments: Sequence[str]) -> None:
    """Remember which command was called, and with what; without the options before its name."""
    _call.arguments = tuple(arguments)


def command(*arguments: str) -> str:
    """A command of ours as somebody can run it, from any directory.

    Where the process is a service's, whose user nobody logs in as, it is spelled for root.
    """
    if _is_a_service(os.geteuid()):
        return shlex.join([*_becoming(os.geteuid()), *program(), *_options(), *arguments])
    return shlex.join([*_shortest_program(), *_options(), *arguments])


def again_as(uid: int) -> str:
    """The command that was called, run as this user."""
    return shlex.join([*_becoming(uid), *program(), *_options(), *_call.arguments])


def about(section: str, address: str, *words: str) -> str:
    """A command of ours about a mailbox, in quotes; where no section is its own, what comes before that."""
    if section:
        return f"`{command(*words, section)}`"
    return f"put {address} into the configuration again, and run `{' '.join(words)}` for it"


def directory(path: Path, mode: int) -> str:
    """A command that makes a directory as this process needs it; for root, where the user is a service's."""
    words = ["install", "-d", "-m", f"{mode:04o}"]
    if os.geteuid() == 0 or _is_a_service(os.geteuid()):
        user, group = user_name(os.geteuid()), group_name(os.getegid())
        words += ["-o", user.removeprefix("#"), "-g", group.removeprefix("#")]
    return shlex.join([*words, str(path)])


def program() -> list[str]:
    """The words that run this very program, whatever is on anybody's PATH."""
    script = Path(sys.executable).with_name(_NAME)
    return [str(script)] if script.exists() else [sys.executable, "-m", _NAME]


def _shortest_program() -> list[str]:
    found, ours = shutil.which(_NAME), program()[0]
    if found and Path(found).is_absolute() and Path(found).samefile(ours):
        return [_NAME]
    return program()


def _options() -> list[str]:
    return [] if _call.file is None else ["-c", str(_call.file)]


def _becoming(uid: int) -> list[str]:
    """The words that run a command as this user: for root, or for who may use sudo."""
    name = user_name(uid)
    if os.geteuid() != 0 and not _is_a_service(os.geteuid()):
        return ["sudo", "-u", name, "--"]
    if name.startswith("#"):  # which runuser does not know
        return ["setpriv", "--reuid", str(uid), "--clear-groups", "--"]
    return ["runuser", "-u", name, "--"]


def _is_a_service(uid: int) -> bool:
    try:
        return pwd.getpwuid(uid).pw_shell.endswith(_NO_SHELLS)
    except KeyError:
        return False
