"""A spool directory: each message as NAME.eml, described by NAME.json (contract: the spool directory).

Owns these two files' form and order. Must never show a `.eml` before its `.json`, nor change an octet of
the message.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from mailsluice.description import describe
from mailsluice.model import Listed, Staged, Stored, uidl_text
from mailsluice.sink.durable import DurableBatch, Passing, WriteFile
from mailsluice.sink.names import spool_name
from mailsluice.sink.staging import Staging, directory_mode

_JSON = json.JSONEncoder(separators=(",\n ", ": "))
"""A line for each value, as with `indent`, for which Python would do without its encoder in C."""

_STAGING = ".staging"
_FILES = (".json", ".eml")
"""A message's files in the order they are published: the `.eml` last, since it is what consumers look for."""


class Spool:
    """Keeps the promises of `session.ports.Sink`. `mode` is the files'."""

    def __init__(self, path: Path, *, mailbox: str, address: str, owner: str, mode: int) -> None:
        self._path = path
        self._mailbox = mailbox
        self._address = address
        self._mode = mode
        self._staging = Staging(path, _STAGING, owner)

    @property
    def spec(self) -> str:
        """`spool:PATH`."""
        return f"spool:{self._path}"

    def batch(self) -> DurableBatch:
        """A new, empty batch. Raises SinkError where the sink cannot be used."""
        with self._staging.open_root(directory_mode(self._mode)) as root:
            staging = self._staging.make(root)
        return DurableBatch(staging, mode=self._mode, write_message=self._write)

    def publish(self, staged: Sequence[Staged]) -> tuple[Stored, ...]:
        """Make staged, recorded messages visible, durably, in their order. Raises SinkError."""
        return self._staging.publish(staged, lambda name: [(name + kind, name + kind) for kind in _FILES])

    def sweep(self) -> int:
        """Remove all that is in staging; how many messages that were. Raises SinkError."""
        return self._staging.sweep(lambda file: Path(file).stem)

    def _write(self, write: WriteFile, listed: Listed, message: Passing, received: datetime) -> str:
        name = spool_name(received, self._mailbox, os.urandom(4).hex())
        sha256 = hashlib.sha256()
        write(f"{name}.eml", _hashed(message, sha256))
        write(f"{name}.json", [self._description(listed, message, sha256.hexdigest(), received)])
        return name

    def _description(self, listed: Listed, message: Passing, sha256: str, received: datetime) -> bytes:
        description = {
            "mailbox": self._mailbox,
            "address": self._address,
            "uidl": uidl_text(listed.uidl),
            "size": message.size,
            "sha256": sha256,
            "stored_at": received.astimezone(UTC).isoformat(timespec="microseconds"),
            **describe(message.header),
        }
        return f"{_JSON.encode(description)}\n".encode("ascii")


def _hashed(message: Iterable[bytes], sha256: hashlib._Hash) -> Iterator[bytes]:
    for chunk in message:
        sha256.update(chunk)
        yield chunk
