"""The spool directory: each message is a file NAME.eml, and NAME.json describes it.

Owns the form and the order of these two files. Must never publish a `.eml` before its `.json`, nor change an
octet of the message.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from mailsluice.files.directory import Directory
from mailsluice.message.description import describe
from mailsluice.model import Listed, uidl_text
from mailsluice.sink.durable import Passing, WriteFile
from mailsluice.sink.edge import edge
from mailsluice.sink.form import STAGED, Form
from mailsluice.sink.kind import Feed, Kind
from mailsluice.sink.names import is_of, spool_name

_FILES = ((f".description{STAGED}", ".json"), (f".message{STAGED}", ".eml"))
"""The ends of a message's file names in staging and when published. `.eml` is last: consumers look for it."""


class Spool(Kind):
    """Keeps the promises of `session.ports.Sink`. `mode` is the mode of the files."""

    def __init__(self, path: Path, *, address: str, feed: Feed, mode: int) -> None:
        super().__init__(Form("spool", path, ".staging", ".", (), mode, _files), feed)
        self._mailbox = feed.feeder.section
        self._ledger = feed.feeder.ledger
        self._address = address

    @edge
    def left_behind(self) -> Sequence[str]:
        """The names of this ledger's descriptions whose messages were taken. Raises SinkError."""
        with ExitStack() as opened:
            root = Directory.find(self._form.root)
            names = set() if root is None else set(opened.enter_context(root).names())
        described = (Path(name).stem for name in names if name.endswith(".json"))
        return [name for name in described if f"{name}.eml" not in names and is_of(self._ledger, name)]

    @edge
    def remove_left_behind(self, names: Iterable[str]) -> None:
        """Remove the descriptions with these names whose messages are not there. Raises SinkError."""
        Directory.refuse_way(self._form.root)
        root = Directory.find(self._form.root)
        if root is not None:
            with root:
                for name in names:
                    if not root.exists(f"{name}.eml"):
                        root.unlink(f"{name}.json")

    def write(self, write: WriteFile, listed: Listed, message: Passing, received: datetime, /) -> str:
        """Write the message and its description."""
        name = spool_name(received, self._mailbox, os.urandom(4).hex(), self._ledger)
        sha256 = hashlib.sha256()
        # The message is written first: its description needs its size, header and checksum.
        write(f"{name}{_FILES[1][0]}", _hashed(message, sha256))
        write(f"{name}{_FILES[0][0]}", [self._description(listed, message, sha256.hexdigest(), received)])
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
        return f"{json.dumps(description, indent=1)}\n".encode("ascii")


def _files(name: str) -> list[tuple[str, str]]:
    return [(name + staged, name + published) for staged, published in _FILES]


def _hashed(message: Iterable[bytes], sha256: hashlib._Hash) -> Iterator[bytes]:
    for chunk in message:
        sha256.update(chunk)
        yield chunk
