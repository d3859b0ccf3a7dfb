"""What is peculiar to this ledger. That it keeps the port's promises: tests/contracts."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailsluice.ledger.database import FILE
from mailsluice.ledger.ledger import Ledger
from mailsluice.ledger.message_rows import GRACE
from mailsluice.model import Listed, MailboxKey, Staged, State, Stored
from support.confirming import confirm

NOW = datetime(2026, 3, 1, 12, 30, 45, 123456, tzinfo=UTC)
KEY = MailboxKey("host.example", "a@b.example")


def fill(ledger: Ledger, count: int) -> list[bytes]:
    uidls = [b"%d" % number for number in range(count)]
    ledger.messages.record(KEY, [Staged(uidl, f"n{uidl.decode()}", 1) for uidl in uidls], "spool:/x", NOW)
    ledger.messages.commit(KEY, [Stored(uidl, f"n{uidl.decode()}") for uidl in uidls], NOW)
    return uidls


def written(state_dir: Path) -> list[tuple[str, bytes]]:
    return [(name, (state_dir / name).read_bytes()) for name in (FILE, f"{FILE}-wal")]


def test_everything_is_remembered_by_the_next_process(state_dir: Path) -> None:
    with Ledger(state_dir) as ledger:
        fill(ledger, 3)
    with Ledger(state_dir) as again:
        assert {known.state for known in again.messages.known(KEY).values()} == {State.STORED}
        assert len(again.messages.permits(KEY, [b"0", b"1", b"2"])) == 3


def test_confirming_what_is_known_already_writes_nothing(ledger: Ledger, state_dir: Path) -> None:
    uidls = fill(ledger, 3)
    confirm(ledger.messages, KEY, uidls[:2], [], NOW)
    before = written(state_dir)
    confirm(ledger.messages, KEY, uidls[:2], [], NOW + GRACE)
    assert written(state_dir) == before


def test_recording_and_committing_nothing_writes_nothing(ledger: Ledger, state_dir: Path) -> None:
    before = written(state_dir)
    ledger.messages.record(KEY, [], "spool:/x", NOW)
    assert ledger.messages.commit(KEY, [], NOW) == ()
    assert written(state_dir) == before


def test_a_large_mailbox_is_read_and_confirmed_quickly(ledger: Ledger) -> None:
    uidls = fill(ledger, 20_000)
    before = time.process_time()
    assert len(ledger.messages.known(KEY)) == 20_000
    confirm(ledger.messages, KEY, uidls, [], NOW)
    assert time.process_time() - before < 1


def test_staging_owners_differ_by_ledger(state_dir: Path, tmp_path: Path) -> None:
    with Ledger(state_dir) as ledger, Ledger(tmp_path / "other") as other:
        assert other.staging_owner(KEY) != ledger.staging_owner(KEY)


def test_times_come_back_to_the_microsecond(ledger: Ledger) -> None:
    there = NOW.astimezone(UTC) + timedelta(microseconds=1)
    ledger.messages.note_oversize(KEY, {Listed(1, b"u", 1): 1}, there)
    assert ledger.messages.known(KEY)[b"u"].since == there


@pytest.mark.parametrize("read_only", [False, True])
def test_reports_can_be_read_beside_a_running_daemon(
    ledger: Ledger, state_dir: Path, read_only: bool
) -> None:
    ledger.reports.note_next_poll(KEY, "inv", NOW)
    ledger.reports.flush()
    with Ledger(state_dir, read_only=read_only) as other:
        assert other.reports.read()[KEY].next_poll == NOW
