"""Both kinds of sink, as the tests of locked doors use them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from mailsluice.model import Staged, Stored, Where
from mailsluice.sink.hold import Hold
from mailsluice.sink.spool import Spool
from support import sinks
from support.sinks import KINDS, MAIL, OWNER, Sink, held, sink_of

__all__ = [
    "KINDS",
    "MAIL",
    "Sink",
    "delivered",
    "publish",
    "sink_of",
    "stage",
    "staging_of",
    "target_of",
    "uses",
]

NOWHERE = Where("spool:/nowhere", "", (), "")


def staging_of(sink: Sink, path: Path) -> Path:
    return path / (".staging" if isinstance(sink, Spool) else "mailsluice-staging") / OWNER


def target_of(sink: Sink, path: Path) -> Path:
    return path if isinstance(sink, Spool) else path / "new"


def stage(sink: Sink) -> tuple[Where, tuple[Staged, ...]]:
    """A message staged by a poll that went no further, and where."""
    with held(sink) as staging:
        return staging.where, sinks.stage(staging, b"u")


def publish(sink: Sink, where: Where, staged: tuple[Staged, ...]) -> tuple[Stored, ...]:
    """What recovery makes of that."""
    with sink.find(where) as found:
        assert found is not None
        return sinks.finish(found, staged)


def delivered(sink: Sink, path: Path) -> int:
    """How many messages a consumer can see."""
    found = target_of(sink, path).glob("*.eml" if isinstance(sink, Spool) else "*,S=*")
    return len(list(found))


def uses(sink: Sink, where: Where = NOWHERE) -> list[Callable[[], None]]:
    """All the ways to a sink: of a first poll, of a later one, and of recovery."""

    def take(hold: AbstractContextManager[Hold | None]) -> None:
        with hold:
            pass

    return [lambda: take(sink.hold(None)), lambda: take(sink.hold(where)), lambda: take(sink.find(where))]
