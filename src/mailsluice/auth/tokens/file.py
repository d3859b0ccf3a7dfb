"""The token file: a token that outlives its process, sealed, in `tokens/` of the state directory.

Owns the place, the name and the lock of each file, and what is said if one cannot be used. Must never fail a
poll: without its file a token is in memory alone, and the next process asks for another one. Must never write
a token that is not sealed.

Nothing is synced. After a power cut a file may be empty: then a token is asked for, as if there were none.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from mailsluice.auth.tokens.kept import Kept, NotKept
from mailsluice.auth.tokens.said import SaidToday
from mailsluice.clock import Clock
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import system_remedy
from mailsluice.files.directory import Directory
from mailsluice.files.error import FileError
from mailsluice.files.private import STOPPED, locked_within, read_private, replace_private
from mailsluice.files.trust import trusted_owners
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger

if TYPE_CHECKING:
    from mailsluice.auth.keyrings.seal import Key

TOKENS = "tokens"
"""The name of the directory in the state directory. Everything in it may be removed at any time."""
SAID = "tokens.said"
"""The name of the file that remembers which warnings were logged today."""

_FORM = b"mailsluice token 1 "
_TOKEN, _LOCK = ".token", ".lock"
_USELESS = 2 * 86_400.0
"""Seconds after which a file that nobody wrote is removed: no token in it can live any more."""
_KEY_WAIT = 5.0
"""Seconds to wait for whoever has the lock of the vault: nobody holds it for long."""
_HEAL = "nothing: another token is asked for, and the file is written anew"

_log = get_logger(__name__)


class Turn(Enum):
    """Whether it is our turn to ask for a token."""

    OURS = "no other process asks now, as far as can be known"
    OTHERS = "another process asks, or hangs"


class _Unusable(Exception):
    """The file cannot be used. `remedy` is what to do about it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


def token_name(section: str, credential: EntraCredential) -> str:
    """A name for what is asked with this credential: the same for sections that ask for the same.

    Two persons may sign in by one app registration, so the sections of delegated credentials never share.
    There is no secret in it, but the reference to one: see `Credentials`.
    """
    # What is warned about decides nothing. What is not set is left out, so that a new key changes no name.
    keys = sorted(key for key in EntraCredential.model_fields if key != "expires")
    fields = [(key, str(value)) for key in keys if (value := getattr(credential, key)) is not None]
    asked = [fields, section if credential.way.is_delegated else None]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]


def remove_token(state_dir: Path, name: str) -> None:
    """Remove the token of this name, if that is possible: somebody else may have signed in."""
    with suppress(OSError), Directory.follow(state_dir / TOKENS) as directory:
        directory.unlink(f"{name}{_TOKEN}")


class TokenFile:
    """The file with the token of this name. No method raises: what goes wrong is logged once a day.

    There is no file in a state directory that is missing, or another user's: root may look at a mailbox, but
    must leave nothing there that the service cannot read.
    """

    def __init__(self, state_dir: Path, name: str, said: SaidToday, clock: Clock) -> None:
        self._state_dir = state_dir
        self._name = name
        self._said = said
        self._clock = clock
        self._path = state_dir / TOKENS / f"{name}{_TOKEN}"
        self._lock = state_dir / TOKENS / f"{name}{_LOCK}"

    def read(self) -> Kept | None:
        """What was kept last; None if there is nothing that can be read."""
        with self._told():
            if _is_ours(self._state_dir) and self._directory(make=False):
                return self._read()
        return None

    def write(self, kept: Kept) -> None:
        """Keep this. It must be our turn."""
        with self._told():
            if _is_ours(self._state_dir) and self._directory(make=True):
                blob = self._key().seal(kept.encode(), TOKENS, self._name)
                head = _FORM + self._key().id.encode() + b"\n"
                replace_private(self._path, head + blob, durable=False)

    @contextmanager
    def turn(self, seconds: float) -> Iterator[Turn]:
        """Wait so long at most for every other process that asks for this token, and then keep it waiting."""
        lock = None
        turn = Turn.OURS
        with self._told():
            if _is_ours(self._state_dir) and self._directory(make=True):
                lock = locked_within(self._lock, seconds)
                turn = Turn.OTHERS if lock is None else Turn.OURS
        try:
            yield turn
        finally:
            if lock is not None:
                with self._told():
                    lock.close()

    def tell_of_wait(self, seconds: float) -> None:
        """Say that another process has had its turn for so long."""
        self._tell(
            f"another process has held {self._lock} for more than {seconds:.0f} seconds",
            STOPPED,
        )

    def sweep(self) -> None:
        """Remove the files of all names that nobody wrote for two days: their credentials are gone."""
        with suppress(OSError):
            now = self._clock.now().timestamp()
            with Directory.follow(self._state_dir / TOKENS) as directory:
                stems = {name.rpartition(".")[0].lstrip(".") for name in directory.names()}
                for stem in {stem.removesuffix(_TOKEN) for stem in stems} - {self._name, ""}:
                    if now - _written(directory.path, stem) > _USELESS:
                        _remove(directory, stem)

    def _read(self) -> Kept | None:
        from mailsluice.auth.keyrings.seal import NotSealed  # noqa: PLC0415  cryptography: only where a token is kept

        try:
            raw = read_private(self._path, owners=trusted_owners())
        except FileNotFoundError:
            return None
        if not raw:
            return None
        head, _, blob = raw.partition(b"\n")
        key = self._key()
        right = _FORM + key.id.encode()
        if head == right:
            with suppress(NotSealed, NotKept):
                return Kept.decode(key.unseal(blob, TOKENS, self._name))
        elif head.startswith(_FORM) and len(head) == len(right):
            raise _Unusable(f"{self._path} is sealed with another key than {key.origin}", _HEAL)
        raise _Unusable(f"{self._path} is damaged, or of another version", _HEAL)

    def _key(self) -> Key:
        from mailsluice.auth.keyrings.seal import KEY, LOCK, VAULT, first_key, read_key  # noqa: PLC0415  as above

        owners = trusted_owners()
        with suppress(FileNotFoundError):
            return read_key(self._state_dir, owners)
        if (self._state_dir / VAULT).exists():  # another key in the place of a lost one would hide the loss
            raise _Unusable(
                f"the key of {self._state_dir / VAULT} is not here: there is no {self._state_dir / KEY}",
                "restore the key, or run this where systemd provides it",
            )
        lock = locked_within(self._state_dir / LOCK, _KEY_WAIT)
        if lock is None:
            raise _Unusable(
                f"another process holds {self._state_dir / LOCK}",
                STOPPED,
            )
        with lock:
            return first_key(self._state_dir, owners)

    def _directory(self, *, make: bool) -> bool:
        """Whether the directory is there, and ours alone. Raises FileError."""
        with Directory.follow(self._state_dir) as above:
            directory = above.child(TOKENS) or (above.make(TOKENS, 0o700) if make else None)
            if directory is None:
                return False
            with directory:
                directory.refuse_if_shared()
        return True

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Log what goes wrong, and go on behind this context."""
        from mailsluice.auth.keyrings.seal import SealError  # noqa: PLC0415  as above

        try:
            yield
        except (_Unusable, SealError, FileError) as exc:
            self._tell(str(exc), exc.remedy)
        except OSError as exc:
            self._tell(f"{exc.filename or self._path}: {exc.strerror}", system_remedy(exc))

    def _tell(self, problem: str, remedy: str) -> None:
        if self._said.is_new(problem):
            _log.warning(events.TOKEN_NOT_KEPT, error=problem, remedy=remedy)


def _is_ours(state_dir: Path) -> bool:
    with suppress(OSError):
        return state_dir.stat().st_uid == os.geteuid()
    return False


def _files(stem: str) -> tuple[str, ...]:
    return f"{stem}{_TOKEN}", f".{stem}{_TOKEN}.new", f"{stem}{_LOCK}"


def _written(directory: Path, stem: str) -> float:
    """When one of this name's files was written last; infinity if it has none."""
    times = []
    for name in _files(stem):
        with suppress(FileNotFoundError):
            times.append((directory / name).lstat().st_mtime)
    return max(times, default=math.inf)


def _remove(directory: Directory, stem: str) -> None:
    """Remove this name's files, unless somebody has its lock.

    The lock's file is removed last, by its holder. Whoever waits for it sees that its name is gone, and makes
    it anew (`files.lock`).
    """
    lock = directory.try_lock(f"{stem}{_LOCK}")
    if lock is not None:
        with lock:
            for name in _files(stem):
                directory.unlink(name)
