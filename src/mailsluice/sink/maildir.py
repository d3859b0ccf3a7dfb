"""The Maildir: each message is a file in `new/`, with LF as line end (cr.yp.to/proto/maildir.html).

Owns the conversion of line ends, and the three directories. Must never stage in `tmp/`, because readers
remove files there after 36 hours. Must never stage in a directory whose name begins with a dot, because
Maildir++ readers show it as a folder.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from mailsluice.model import Listed
from mailsluice.sink.durable import Passing, WriteFile
from mailsluice.sink.form import STAGED, Form
from mailsluice.sink.kind import Feed, Kind
from mailsluice.sink.names import maildir_base, maildir_base_of, maildir_name

_NEW = "new"
_FILE = f".message{STAGED}"
"""The end of a message's file name in staging."""


class Maildir(Kind):
    """Keeps the promises of `session.ports.Sink`. `mode` is the mode of the files."""

    def __init__(self, path: Path, *, feed: Feed, mode: int) -> None:
        parts = ("tmp", "cur", _NEW)
        super().__init__(Form("maildir", path, "mailsluice-staging", _NEW, parts, mode, _files), feed)
        self._host, self._pid = socket.gethostname(), os.getpid()

    def left_behind(self) -> Sequence[str]:
        """Nothing: a message is one file, so a consumer that takes it leaves nothing behind."""
        return ()

    def remove_left_behind(self, names: Iterable[str]) -> None:
        """Do nothing: nothing is ever left behind."""

    def write(self, write: WriteFile, _listed: Listed, message: Passing, received: datetime, /) -> str:
        """Write the message, with LF as line end."""
        base = maildir_base(received, host=self._host, pid=self._pid, token=os.urandom(4).hex())
        lines = LfLines()
        write(base + _FILE, lines.converted(message))
        return maildir_name(base, size=lines.size, virtual_size=lines.virtual_size)


def _files(name: str) -> list[tuple[str, str]]:
    return [(maildir_base_of(name) + _FILE, name)]


class LfLines:
    """Turns CRLF into LF while a message is written. A CR or LF that stands alone stays.

    `size` is the number of octets after the conversion. `virtual_size` is the number that a reader counts
    that takes every line end as CRLF.
    """

    def __init__(self) -> None:
        self.size = 0
        self.virtual_size = 0
        self._after_cr = False
        """Whether the last octet that was written is a CR."""

    def converted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The octets of `chunks` with their line ends converted; a CRLF may be in two chunks."""
        held = b""  # a CR whose next octet has not come yet
        for chunk in chunks:
            octets = held + chunk
            held = b"\r" if octets.endswith(b"\r") else b""
            lines = octets.removesuffix(b"\r").split(b"\r\n")
            yield self._counted(b"\n".join(lines))  # faster than `replace`
        if held:
            yield self._counted(held)

    def _counted(self, octets: bytes) -> bytes:
        bare = octets.count(b"\n")
        if b"\r" in octets or self._after_cr:
            # CR CR LF has become CR LF, which a reader counts as one line end.
            bare -= octets.count(b"\r\n") + (self._after_cr and octets.startswith(b"\n"))
        self.size += len(octets)
        self.virtual_size += len(octets) + bare
        if octets:
            self._after_cr = octets.endswith(b"\r")
        return octets
