"""A batch on a disk that fails. That it keeps its promises otherwise: tests/contracts."""

from __future__ import annotations

import errno
import resource
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailsluice.errors import SinkError
from mailsluice.message.header import LIMIT
from mailsluice.model import Listed
from mailsluice.sink.durable import BEHIND_HEADER, MOST_AT_ONCE, DurableBatch, Passing
from mailsluice.sink.hold import Hold
from sink.disk import Disk
from support.sinks import MAILBOX, finish

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def add(batch: DurableBatch, uidl: bytes = b"u") -> None:
    batch.add(Listed(1, uidl), iter([b"one\r\n", b"two\r\n"]), NOW)


def is_spool(staging: Hold) -> bool:
    return staging.where.sink.startswith("spool")


def left(tmp_path: Path) -> list[Path]:
    """The files of messages, in staging or published."""
    own = {"claim", "sink-id", f"{MAILBOX}.turn"}
    return [path for path in tmp_path.rglob("*") if path.is_file() and path.name not in own]


def test_stage_syncs_every_file_and_then_their_directory(staging: Hold, disk: Disk) -> None:
    with staging.batch() as batch:
        add(batch)
        add(batch)
        disk.calls.clear()
        batch.stage()
    *files, directory = disk.called("fsync")
    assert len(files) == (4 if is_spool(staging) else 2)
    assert all(file.startswith(f"{directory}/") for file in files)


def test_publish_syncs_the_directory_once_after_the_last_rename(staging: Hold, disk: Disk) -> None:
    with staging.batch() as batch:
        add(batch)
        add(batch)
        batch.stage()
        disk.calls.clear()
        batch.publish()
    calls = [call for call, _ in disk.calls if call in {"rename", "fsync"}]
    assert calls == ["rename"] * (len(calls) - 1) + ["fsync"]
    assert disk.called("fsync") == ["spool" if is_spool(staging) else "maildir/new"]


@pytest.mark.parametrize("call", ["open", "fchmod", "write"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_message_that_cannot_be_written_leaves_nothing_and_spares_the_others(
    staging: Hold, disk: Disk, tmp_path: Path, call: str, error: int
) -> None:
    disk.takes_modes = True
    with staging.batch() as batch:
        add(batch, b"u1")
        files = left(tmp_path)
        disk.fail(call, error)
        with pytest.raises(SinkError):
            add(batch, b"u2")
        assert left(tmp_path) == files
        assert [staged.uidl for staged in batch.stage()] == [b"u1"]


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_failed_sync_loses_the_whole_batch_and_is_never_asked_again(
    sorting: Hold, disk: Disk, tmp_path: Path, nth: int
) -> None:
    with sorting.batch() as batch:
        add(batch)
        add(batch)
        disk.fail("fsync", errno.EIO, nth=nth)
        with pytest.raises(SinkError, match="EIO"):
            batch.stage()
        syncs = len(disk.called("fsync"))
        with pytest.raises(SinkError, match="lost"):
            batch.stage()
        with pytest.raises(SinkError, match="lost"):
            add(batch)
        assert len(disk.called("fsync")) == syncs
    assert left(tmp_path) == []
    assert disk.open_fds == set()


@pytest.fixture
def few_descriptors(monkeypatch: pytest.MonkeyPatch) -> int:
    """A low limit; how many files a batch then writes before it has them synced."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    return 8


def test_a_batch_of_any_size_keeps_few_files_open(staging: Hold, disk: Disk, few_descriptors: int) -> None:
    with staging.batch() as batch:
        for number in range(100):
            add(batch, b"%d" % number)
            assert len(disk.open_fds) <= few_descriptors + 1
        staged = batch.stage()
    assert len(staged) == 100
    assert len(disk.called("fsync")) >= 100 * (2 if is_spool(staging) else 1)
    assert disk.open_fds == set()


@pytest.mark.parametrize(("limit", "at_once"), [(10, 1), (1024, 32), (524_288, MOST_AT_ONCE)])
def test_the_more_descriptors_there_may_be_the_more_files_share_their_syncs(
    sorting: Hold, disk: Disk, monkeypatch: pytest.MonkeyPatch, limit: int, at_once: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    with sorting.batch() as batch:
        disk.calls.clear()
        for _ in range(at_once - 1):
            add(batch)
        assert disk.called("fsync") == []
        add(batch)
        batch.stage()
    assert len(disk.called("fsync")) == at_once + 1


def test_a_sync_that_fails_on_the_way_loses_the_batch_too(
    sorting: Hold, disk: Disk, tmp_path: Path, few_descriptors: int
) -> None:
    with sorting.batch() as batch:
        disk.fail("fsync", errno.EIO)
        for _ in range(few_descriptors - 1):
            add(batch)
        with pytest.raises(SinkError, match="EIO"):
            add(batch)
        with pytest.raises(SinkError, match="lost"):
            batch.stage()
    assert left(tmp_path) == []
    assert disk.open_fds == set()


def test_failing_to_tidy_up_hides_no_error_and_leaks_no_descriptor(staging: Hold, disk: Disk) -> None:
    batch = staging.batch()
    add(batch)
    disk.fail("unlink", errno.EROFS)
    assert batch.__exit__(ZeroDivisionError, ZeroDivisionError(), None) is None  # type: ignore[func-returns-value]
    assert disk.open_fds == set()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_rename_that_fails_leaves_the_rest_to_recovery(
    staging: Hold, disk: Disk, tmp_path: Path, error: int
) -> None:
    with staging.batch() as batch:
        add(batch, b"u1")
        add(batch, b"u2")
        staged = batch.stage()
        disk.fail("rename", error, nth=2)
        with pytest.raises(SinkError):
            batch.publish()
        calls = len(disk.calls)
        with pytest.raises(SinkError, match="next poll publishes"):
            batch.publish()
        assert len(disk.calls) == calls
        assert batch.vanished == []
    assert len(finish(staging, staged)) == 2
    visible = [path for path in left(tmp_path) if "staging" not in str(path)]
    assert len(visible) == (4 if is_spool(staging) else 2)


def test_what_recovery_published_before_a_rename_failed_is_not_taken_back_though_a_consumer_took_it(
    staging: Hold, disk: Disk, tmp_path: Path
) -> None:
    with staging.batch() as batch:
        add(batch, b"u1")
        add(batch, b"u2")
        staged = batch.stage()
    disk.fail("rename", errno.EIO, nth=3 if is_spool(staging) else 2)
    with pytest.raises(SinkError):
        staging.finish(staged, undisturbed=False)
    (taken,) = [*tmp_path.glob("spool/*.eml"), *tmp_path.glob("maildir/new/*")]
    taken.unlink()
    assert [each.uidl for each in staging.finish(staged, undisturbed=False)] == [b"u1", b"u2"]


def test_a_failed_sync_of_the_published_names_is_an_error(staging: Hold, disk: Disk) -> None:
    with staging.batch() as batch:
        add(batch)
        batch.stage()
        disk.fail("fsync", errno.EIO)
        with pytest.raises(SinkError, match="sync the directory"):
            batch.publish()
        syncs = len(disk.called("fsync"))
        with pytest.raises(SinkError, match="next poll publishes"):
            batch.publish()
        assert len(disk.called("fsync")) == syncs


def test_to_publish_again_and_to_forget_asks_nothing_of_the_disk(staging: Hold, disk: Disk) -> None:
    with staging.batch() as batch:
        add(batch)
        batch.stage()
        stored = batch.publish()
        calls = len(disk.calls)
        batch.publish()
        staging.forget(stored)
        assert len(disk.calls) == calls


def passed(*chunks: bytes) -> Passing:
    message = Passing(chunks)
    assert b"".join(message) == b"".join(chunks)
    return message


HEADER = b"Subject: x\r\n" + b"X: y\r\n" * 10 + b"\r\n"


def test_a_message_passing_by_is_counted_and_its_header_read() -> None:
    message = passed(HEADER, b"body")
    assert message.size == len(HEADER) + 4
    assert message.header.first("subject") == b" x"


@pytest.mark.parametrize("fields", [1, 1_100, 2_000, 10_000])
@pytest.mark.parametrize("piece", [1000, 16_384, 10**7])
def test_the_header_is_kept_and_the_beginning_of_the_body(fields: int, piece: int) -> None:
    header = b"X: yyyyyyy\r\n" * fields + b"\r\n"
    whole = header + b"z" * 3 * BEHIND_HEADER
    message = passed(*(whole[at : at + piece] for at in range(0, len(whole), piece)))
    assert whole.startswith(message.head)
    assert len(message.head) >= len(header) + BEHIND_HEADER
    assert not message.header.truncated


def test_of_a_short_message_all_is_kept() -> None:
    assert passed(HEADER, b"body").head == HEADER + b"body"


@pytest.mark.parametrize("header", [HEADER, b"X: y\r\n" * 10_000 + b"\r\n"])
def test_no_more_is_kept_of_a_large_body_than_what_may_be_looked_at(header: bytes) -> None:
    message = passed(*(header[at : at + 1000] for at in range(0, len(header), 1000)), *[b"z" * 1000] * 5000)
    assert len(message.head) <= 3 * (len(header) + BEHIND_HEADER)


def test_of_a_header_without_end_as_much_is_kept_as_is_read() -> None:
    message = passed(*[b"X: y\r\n" * 1000] * 300)
    assert LIMIT <= len(message.head) <= LIMIT + BEHIND_HEADER
    assert message.header.truncated


def test_a_header_that_comes_in_two_octets_at_a_time_is_kept_in_linear_time() -> None:
    whole = (b"X: y\r\n" * LIMIT)[: LIMIT // 2]
    before = time.process_time()
    passed(*(whole[at : at + 2] for at in range(0, len(whole), 2)))
    assert time.process_time() - before < 2
