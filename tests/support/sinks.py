"""The sinks of a ledger that a test opened by itself, and sinks without a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from mailsluice.ledger.ledger import Ledger
from mailsluice.model import Feeder, Listed, MailboxKey, Staged, Stored, Where
from mailsluice.session.ports import Staging
from mailsluice.sink.hold import Hold
from mailsluice.sink.kind import Feed
from mailsluice.sink.maildir import Maildir
from mailsluice.sink.sinks import Sinks
from mailsluice.sink.spool import Spool

KINDS = ("spool", "maildir")
NOW = datetime(2026, 3, 1, 12, 30, 45, 123456, tzinfo=UTC)
MAIL = b"Subject: x\r\n\r\nbody\r\n"
MAILBOX, LEDGER, OTHER = "0" * 16, "1" * 16, "2" * 16
OWNER = f"{MAILBOX}-{LEDGER}"
FEEDER = Feeder("ledger", "host", "/state", MailboxKey("pop.example", "a@b.example"), "inv")

Sink = Spool | Maildir


def sinks_of(ledger: Ledger, state_dir: Path = Path("/var/lib/mailsluice")) -> Sinks:
    """Those that this ledger feeds, kept in `state_dir`."""
    return Sinks(ledger.id, ledger.staging_owner, state_dir)


def sink_of(
    kind: str,
    path: Path,
    *,
    owner: str = OWNER,
    feeder: Feeder = FEEDER,
    mode: int = 0o600,
    keeps: bool = False,
) -> Sink:
    """A sink of this kind at `path`."""
    if kind == "maildir":
        return Maildir(path, feed=Feed(owner, feeder, keeps), mode=mode)
    return Spool(path, address="a@b.example", feed=Feed(owner, feeder, keeps), mode=mode)


@contextmanager
def held(sink: Sink, known: Where | None = None) -> Iterator[Hold]:
    """The sink's staging directory, taken as a poll takes it."""
    with sink.hold(known) as staging:
        yield staging


def stage(staging: Staging, *uidls: bytes, mail: bytes = MAIL) -> tuple[Staged, ...]:
    """Stage a message for each UIDL, and go no further."""
    with staging.batch() as batch:
        for number, uidl in enumerate(uidls, 1):
            batch.add(Listed(number, uidl, 99), iter([mail]), NOW)
        return batch.stage()


def deliver(staging: Staging, *uidls: bytes, mail: bytes = MAIL) -> tuple[Stored, ...]:
    """Stage a message for each UIDL, and publish it."""
    with staging.batch() as batch:
        for number, uidl in enumerate(uidls, 1):
            batch.add(Listed(number, uidl, 99), iter([mail]), NOW)
        batch.stage()
        return batch.publish()


def finish(staging: Staging, staged: tuple[Staged, ...]) -> tuple[Stored, ...]:
    """What recovery does with what is recorded."""
    return staging.finish(staged, undisturbed=True)
