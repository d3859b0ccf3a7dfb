"""The renewal: how a running daemon learns that a secret was replaced, or that somebody signed in.

Owns the stamp, a file in the state directory that says what was renewed, and the look at files with secrets.
Must never read a secret. Must never look at the file of a credential that works: a network file system that
hangs would hang the daemon.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from mailsluice.config.models import Config
from mailsluice.config.references import references
from mailsluice.files.error import FileError
from mailsluice.files.private import locked, read_own, replace_private

STAMP = "renewed.json"
"""The name of the stamp in the state directory."""

_MOST_OCTETS = 256 * 1024
_EVERYTHING = "everything"

_Signature = tuple[int, int, int] | None
"""What tells one version of a file from another; None if there is no file."""


def renewed(state_dir: Path, what: str = _EVERYTHING) -> None:
    """Tell a running daemon that this was renewed: `keyring:NAME`, or `credentials.NAME` after a sign-in.

    Nothing is done if there is no state directory: then there is no daemon. Raises FileError.
    """
    if not state_dir.is_dir():
        return
    with locked(state_dir / "secrets.lock"):
        stamps = _read(state_dir) | {what: secrets.token_hex(4)}
        # Not durable: a daemon that starts after a crash reads every secret anyway.
        replace_private(state_dir / STAMP, json.dumps(stamps).encode(), durable=False)


class Renewals:
    """What was renewed since the last look. The first look is when this is made. Not safe among threads."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._signature = _signature(state_dir / STAMP)
        self._stamps = _read(state_dir)
        self._files: dict[Path, _Signature] = {}

    def look(self, config: Config, refused: Collection[str]) -> set[str]:
        """The credentials of which something was renewed. Only for `refused` ones, files are looked at."""
        return self._of_stamp(config) | self._of_files(config, refused)

    def _of_stamp(self, config: Config) -> set[str]:
        signature = _signature(self._state_dir / STAMP)
        if signature == self._signature:
            return set()
        self._signature = signature
        before, self._stamps = self._stamps, _read(self._state_dir)
        news = {what for what, stamp in self._stamps.items() if before.get(what) != stamp}
        if _EVERYTHING in news:
            return set(config.credentials)
        signed_in = {name for name in config.credentials if f"credentials.{name}" in news}
        renewed = (found.credentials for found in references(config) if str(found.ref) in news)
        return signed_in.union(*renewed)

    def _of_files(self, config: Config, refused: Collection[str]) -> set[str]:
        before, self._files = self._files, {}
        found: set[str] = set()
        for reference in references(config) if refused else ():
            if reference.ref.scheme != "file" or not set(reference.credentials) & set(refused):
                continue
            path = Path(reference.ref.name)
            signature = self._files[path] = self._files.get(path) or _signature(path)
            if before.get(path, signature) != signature:
                found.update(reference.credentials)
        return found


def _signature(path: Path) -> _Signature:
    with suppress(OSError):
        status = os.stat(path)  # noqa: PTH116  a link is followed: secrets are often mounted as links
        return status.st_ino, status.st_mtime_ns, status.st_size
    return None


def _read(state_dir: Path) -> dict[str, str]:
    """What the stamp says; nothing if it cannot be read. Then the daemon is as slow as without it."""
    with suppress(FileError, ValueError, RecursionError):
        found = json.loads(read_own(state_dir / STAMP, _MOST_OCTETS) or b"{}")
        if isinstance(found, Mapping):
            return {what: stamp for what, stamp in found.items() if isinstance(stamp, str)}
    return {}
