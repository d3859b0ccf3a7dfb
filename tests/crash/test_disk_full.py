"""The same walk with a disk that fails instead of a process that dies: the program says so and goes on later."""

from __future__ import annotations

import errno
import sqlite3

import pytest

from crash.victim import Fate, Point
from crash.world import MAIL, World

NOT_WRITABLE = 73

WRITING = [
    Point("os.mkdir"),
    Point("os.write"),
    Point("os.write", within="DurableBatch.add", turn=2),
    Point("os.write", nth=2, within="DurableBatch.add", turn=2),
    Point("os.write", within="DurableBatch.add", turn=3),
]
SYNCING = [
    Point("os.fsync", within="NewFile.sync"),
    Point("os.fsync", within="NewFile.sync", turn=3),
    Point("os.fsync", within="Directory.sync"),
    Point("os.fsync", nth=4),
    Point("Directory.sync", within="DurableBatch.stage"),
    Point("Directory.sync", within="Staging.publish"),
]
RENAMING = [Point("os.rename", nth=nth) for nth in (1, 2, 3)]
COMMITTING = [
    Point("COMMIT", when, within=within)
    for within in ("Ledger.record", "Ledger.commit")
    for when in ("before", "after")
]


def assert_nothing_lost_nothing_twice(world: World, fate: Fate) -> None:
    assert world.poll(fate) == NOT_WRITABLE
    world.consume()
    assert world.server.deleted == ()
    assert world.server.remaining() == tuple(world.uidls)
    world.settle()
    world.assert_each_once()
    assert world.server.remaining() == ()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
@pytest.mark.parametrize("point", [*WRITING, *RENAMING], ids=str)
def test_a_disk_that_takes_no_more_ends_the_poll_and_the_next_makes_good(
    world: World, point: Point, error: int
) -> None:
    assert_nothing_lost_nothing_twice(world, Fate(point, error))


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
@pytest.mark.parametrize("point", SYNCING, ids=str)
def test_a_sync_that_fails_counts_for_nothing_and_the_next_poll_makes_good(
    world: World, point: Point, error: int
) -> None:
    assert_nothing_lost_nothing_twice(world, Fate(point, error))


@pytest.mark.parametrize("point", COMMITTING, ids=str)
def test_a_ledger_that_cannot_commit_ends_the_poll_whether_or_not_the_commit_was_written(
    world: World, point: Point
) -> None:
    assert_nothing_lost_nothing_twice(world, Fate(point, sqlite3.SQLITE_FULL))
    assert world.server.retrieved.total() <= 2 * len(MAIL)


def test_what_was_whole_when_the_disk_filled_up_is_stored(world: World) -> None:
    full = Point("os.write", nth=2, within="DurableBatch.add", turn=2)
    assert world.poll(Fate(full, errno.ENOSPC)) == NOT_WRITABLE
    assert len(world.visible()) == 1
    assert world.staged() == []


def test_the_error_says_what_to_do(world: World) -> None:
    world.poll(Fate(Point("os.write"), errno.ENOSPC))
    assert '"outcome": "sink-error"' in world.printed
    assert "free space" in world.printed
