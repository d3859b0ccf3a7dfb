"""The sinks: whether a poll can store mail where a mailbox's mail goes, and use the state directory.

Owns what is asked of the kernel and of a file system, and how long that may take. Must never take, make or
mark anything, also not what a poll would make. It asks for this user: a check for another one is refused
before (`cli.choice`).

It cannot see what only the service has: groups and mounts of its systemd unit (SupplementaryGroups=,
ReadWritePaths=). Nor can it see a disk quota.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mailsluice.checking.means import Means
from mailsluice.checking.steps import Step
from mailsluice.config.models import Mailbox
from mailsluice.errors import LedgerError, MailsluiceError, NoThread, SinkError
from mailsluice.files.error import failed, remedy_of_denial, trying
from mailsluice.ledger import Ledger, usable
from mailsluice.ledger.directory import prepare
from mailsluice.ledger.ledger import staging_owner
from mailsluice.model import Feeder
from mailsluice.sink.edge import edge
from mailsluice.sink.sinks import Sinks
from mailsluice.system.users import user_name

SECONDS = 10.0
"""How long a file system may take. One whose server is down may never answer."""

_LEAST = 64 * 1024
"""Octets of room without which hardly a message can be stored."""

_READ = {os.R_OK: "read", os.X_OK: "enter"}
_WRITE = {os.R_OK: "read", os.W_OK: "write in", os.X_OK: "enter"}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SinkSeen:
    """A sink in which a poll can store mail.

    `is_there`: its directory exists; otherwise the first poll makes it. `is_ours`: our ledger has fed it with
    this mailbox before. `others` are other ledgers that feed it, with any mailbox. `room` is how many octets
    this user may still write there, as far as the file system tells: a quota may be lower.
    """

    is_there: bool
    is_ours: bool
    others: tuple[Feeder, ...]
    room: int


def try_sink(mailbox: Mailbox, means: Means) -> MailsluiceError | None:
    """Look at the state directory and the mailbox's sink, as a step of a check. None if both can be used.

    If the ledger cannot be read, the sink is not looked at: our own mail there would look like another's.
    """
    if means.ledger_error:
        means.journal.leave_out(
            mailbox.name, Step.SINK, "the ledger, which knows what is ours, cannot be read"
        )
        return None
    state_dir = means.config.service.state_dir
    try:
        with means.journal.step(mailbox.name, Step.SINK) as note:
            look_at_state_dir(state_dir)
            note.say(_told(mailbox, look_at_sink(mailbox, state_dir, means.ledger)))
    except MailsluiceError as error:
        return error
    return None


def _told(mailbox: Mailbox, seen: SinkSeen) -> str:
    """What was seen, for people."""
    room = f"{seen.room / 2**30:,.1f} GiB free"
    words = [str(mailbox.sink.path), f"for the user {user_name(os.geteuid())}", room]
    if not seen.is_there:
        words.append("the first poll makes it")
    elif not seen.is_ours:
        words.append("not fed yet")
    words += sorted({f"also fed by the ledger {other.state_dir} on {other.host}" for other in seen.others})
    return ", ".join(words)


def look_at_state_dir(state_dir: Path) -> bool:
    """Whether the state directory exists; if not, the first poll makes it.

    Raises LedgerError if this user cannot use it, or cannot make it.
    """

    def looked() -> bool:
        is_there = state_dir.exists()
        if is_there:
            prepare(state_dir, make=False)
        where = state_dir if is_there else _nearest(state_dir)
        if denied := _denied((where,), (where,)):
            raise LedgerError(
                f"the state directory {state_dir} cannot be used: {denied}",
                remedy=remedy_of_denial(),
                denied=True,
            )
        return is_there

    with usable(state_dir):
        return _within(SECONDS, looked, state_dir, LedgerError)


def look_at_sink(mailbox: Mailbox, state_dir: Path, ledger: Ledger | None) -> SinkSeen:
    """What a poll would find in the mailbox's sink.

    `ledger` is the open ledger; None if there is none yet. Raises SinkError with the remedy that a poll would
    give, and SinkRefused. It waits SECONDS at most, and cannot be stopped meanwhile.
    """

    @edge
    def looked() -> SinkSeen:
        ours = ledger.id if ledger else ""  # a new ledger is another one than all that were
        sink = Sinks(ours, lambda key: staging_owner(ours, key), state_dir).open(mailbox)
        look = sink.look(ledger.stagings.known(mailbox.key, sink.spec) if ledger else None)
        if denied := _denied(look.opened, look.written):
            raise SinkError(denied, remedy=remedy_of_denial(), denied=True)
        return SinkSeen(look.is_there, look.is_ours, look.others, _room(look.written[-1]))

    return _within(SECONDS, looked, mailbox.sink.path, SinkError)


def _denied(opened: Sequence[Path], written: Sequence[Path]) -> str:
    """What this user may not do with these directories (access(2)); empty if all is allowed.

    Access lists, and a network file system that does not trust root, count as they count for a poll. Raises
    FileError.
    """
    for path in dict.fromkeys((*opened, *written)):
        if path in written and _file_system(path).f_flag & os.ST_RDONLY:
            raise failed("write in", path, OSError(errno.EROFS, ""))
        for right, words in (_WRITE if path in written else _READ).items():
            if not os.access(path, right, effective_ids=os.access in os.supports_effective_ids):
                return f"the user {user_name(os.geteuid())} may not {words} {path}"
    return ""


def _file_system(path: Path) -> os.statvfs_result:
    """What the file system of `path` says of itself. Raises FileError."""
    with trying("look at the file system of", path):
        return os.statvfs(path)


def _room(path: Path) -> int:
    """The octets that this user may still write there. Raises FileError if there are none, or no inodes."""
    found = _file_system(path)
    is_root = os.geteuid() == 0
    blocks, inodes = (found.f_bfree, found.f_ffree) if is_root else (found.f_bavail, found.f_favail)
    room = blocks * found.f_frsize
    if room < _LEAST or (found.f_files and not inodes):  # Btrfs and others count no inodes
        raise failed("store a message in", path, OSError(errno.ENOSPC, ""))
    return room


def _nearest(path: Path) -> Path:
    """The first directory above `path` that exists."""
    return next(above for above in path.parents if above.exists())


def _within(seconds: float, look: Callable[[], _T], path: Path, kind: type[MailsluiceError]) -> _T:
    """What `look` returns. Raises what it raises, or `kind` if it takes longer than this.

    A thread that waits for a file system cannot be ended. It is left behind, and ends with this process.
    """
    found: list[_T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(look())
        except BaseException as error:  # noqa: BLE001  the end of a thread: the caller raises it
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError) as exc:
        raise NoThread(f"the system starts no thread to look at {path}") from exc
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not found:
        raise kind(
            f"{path} does not answer: its file system said nothing for {seconds:g} s",
            remedy="find out what is mounted there; if it is a network file system, its server may be down",
        )
    return found[0]
