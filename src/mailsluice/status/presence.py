"""The presence: what the daemon tells other processes about itself, in a file of its state directory.

Owns the file `daemon.json`. The file is replaced as a whole, so that nobody reads half of it. It is never
synced, because it is worth nothing when the daemon is dead. Only the daemon's lock shows whether it runs.
Must never be used for anything but `status`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from math import inf
from pathlib import Path

from pydantic import TypeAdapter

from mailsluice.clock import Clock
from mailsluice.config.models import Config
from mailsluice.errors import MailsluiceError
from mailsluice.files.directory import Directory
from mailsluice.files.private import read_own, replace_private
from mailsluice.ledger import serving, usable
from mailsluice.model import MailboxKey
from mailsluice.obs.clean import printable
from mailsluice.polling.under_way import Running

FILE = "daemon.json"

_BETWEEN = 1.0
"""Seconds between two writes. So the file may be this late."""

_MOST = 4 * 2**20
"""The most octets of the file that are read. Ten thousand polls under way need fewer."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration that is in force: its files, the main one first, and since when it is in force.

    The names of the files are for people, wherever they are: absolute, and what is no text is an escape.
    """

    files: tuple[str, ...]
    since: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """A configuration that could not be used at a reload: what is wrong with it, and what to do.

    `since` is when the first reload was refused after the last successful one.
    """

    since: datetime
    mistakes: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a daemon tells about itself: its process, when it started, and which polls run now."""

    pid: int
    since: datetime
    configuration: Configuration
    refused: Refusal | None
    running: tuple[tuple[MailboxKey, Running], ...]


@dataclass(frozen=True, slots=True)
class Daemon:
    """What another process knows about the daemon.

    `running` is None if that cannot be found out. `said` is None if the daemon tells nothing. `problem` is
    the reason.
    """

    running: bool | None
    said: Said | None = None
    problem: str = ""


class Presence:
    """The daemon's own side: it is given the changes, and writes the file."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.now()
        self._written = b""
        self._not_before = -inf
        self.follow(config)

    def follow(self, config: Config) -> None:
        """Note that this configuration is in force from now on."""
        self._configuration = Configuration(tuple(map(_name, config.files)), self._clock.now())
        self._refused: Refusal | None = None

    def refuse(self, mistakes: str, remedy: str) -> None:
        """Note that a reload was refused, for these mistakes, one a line."""
        since = self._refused.since if self._refused else self._clock.now()
        self._refused = Refusal(since, tuple(map(printable, mistakes.splitlines())), printable(remedy))

    def write(self, state_dir: Path, running: Mapping[MailboxKey, Running]) -> None:
        """Write the file if something has changed, at most once a second. Raises LedgerError.

        If it cannot be written, the old file is removed, because readers would believe it. If not even that
        is possible, as on a file system that became read-only, readers do believe it.
        """
        now = self._clock.monotonic()
        said = Said(os.getpid(), self._since, self._configuration, self._refused, tuple(running.items()))
        octets = _adapter().dump_json(said)
        if octets == self._written or now < self._not_before:
            return
        self._not_before = now + _BETWEEN
        self._written = b""  # after a failure, it is written again even if nothing changes
        with usable(state_dir):
            try:
                replace_private(state_dir / FILE, octets, durable=False)
            except OSError:
                forget(state_dir)
                raise
        self._written = octets


def _name(file: Path) -> str:
    with suppress(FileNotFoundError):  # the working directory has gone: the name alone is left
        file = file.absolute()
    return printable(str(file))


def forget(state_dir: Path) -> None:
    """Remove the file, if that is possible."""
    with suppress(OSError), Directory.follow(state_dir) as directory:
        directory.unlink(FILE)


def look(state_dir: Path) -> Daemon:
    """What is known about the daemon of this state directory. It never fails: it says what is wrong."""
    try:
        pid = serving(state_dir)
    except (OSError, MailsluiceError) as error:
        return Daemon(None, problem=f"mailsluice cannot find out whether it runs: {_with_remedy(error)}")
    if pid is None:
        return Daemon(running=False)
    try:
        octets = read_own(state_dir / FILE, _MOST)
        said = None if octets is None else _parsed(octets.decode(errors="replace"))
    except (OSError, MailsluiceError) as error:
        problem = f"its status file cannot be read: {_with_remedy(error)}"
        return Daemon(running=True, problem=problem)
    except ValueError:
        return Daemon(running=True, problem=f"its status file makes no sense: {state_dir / FILE}")
    # A file with another process number is of a daemon that is dead. A holder whose number is not in the lock
    # file is believed without it.
    if said is None or pid not in {"", str(said.pid)}:
        return Daemon(running=True, problem="it has no current status file")
    return Daemon(running=True, said=said)


def _with_remedy(error: OSError | MailsluiceError) -> str:
    remedy = getattr(error, "remedy", "")  # a plain OSError has none
    return f"{error}; {remedy}" if remedy else str(error)


def _parsed(text: str) -> Said:
    """What the file says. Raises ValueError, also for a time without a zone: it could not be compared."""
    said = _adapter().validate_json(text)
    if any(time.tzinfo is None for time in _times(said)):
        raise ValueError("a time without a zone")
    return said


def _times(said: Said) -> Iterator[datetime]:
    yield said.since
    yield said.configuration.since
    if said.refused is not None:
        yield said.refused.since
    for _, running in said.running:
        yield running.since


@cache  # built when first used, because that takes longer than the rest of a `status`
def _adapter() -> TypeAdapter[Said]:
    return TypeAdapter(Said)
