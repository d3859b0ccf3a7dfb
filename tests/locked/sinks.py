"""Both kinds of sink, as the tests of locked doors use them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from mailsluice.model import Listed, Staged
from mailsluice.sink.maildir import Maildir
from mailsluice.sink.spool import Spool

KINDS = ("spool", "maildir")
MAIL = b"Subject: one\r\n\r\none\r\n"
NOW = datetime(2026, 3, 1, tzinfo=UTC)

Sink = Spool | Maildir


def sink_of(kind: str, path: Path) -> Sink:
    if kind == "maildir":
        return Maildir(path, owner="owner", mode=0o600)
    return Spool(path, mailbox="m", address="a@b.example", owner="owner", mode=0o600)


def staging_of(sink: Sink, path: Path) -> Path:
    return path / (".staging" if isinstance(sink, Spool) else "mailsluice-staging") / "owner"


def target_of(sink: Sink, path: Path) -> Path:
    return path if isinstance(sink, Spool) else path / "new"


def stage(sink: Sink) -> tuple[Staged, ...]:
    with sink.batch() as batch:
        batch.add(Listed(1, b"u"), iter([MAIL]), NOW)
        return batch.stage()


def delivered(sink: Sink, path: Path) -> int:
    """How many messages a consumer can see."""
    found = target_of(sink, path).glob("*.eml" if isinstance(sink, Spool) else "*,S=*")
    return len(list(found))


def uses(sink: Sink, staged: tuple[Staged, ...] = (Staged(b"u", "n", 1),)) -> list[Callable[[], object]]:
    """All that can be done with a sink."""
    return [sink.batch, sink.sweep, lambda: sink.publish(staged)]
