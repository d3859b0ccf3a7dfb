"""The same walk with a disk that fails instead of a process that dies: the program says so and goes on later."""

from __future__ import annotations

import errno
import sqlite3

import pytest

from crash.victim import Fate, Point
from crash.world import MAIL, World

NOT_WRITABLE = 73

FULL, READ_ONLY, BROKEN = errno.ENOSPC, errno.EROFS, errno.EIO
WRITING = [
    (Point("os.mkdir"), READ_ONLY),
    (Point("os.write"), FULL),
    (Point("os.write", within="DurableBatch.add"), FULL),
    (Point("os.write", within="DurableBatch.add", turn=2), FULL),
    (Point("os.write", nth=2, within="DurableBatch.add", turn=2), FULL),
    (Point("os.write", within="DurableBatch.add", turn=3), READ_ONLY),
]
SYNCING = [
    (Point("os.fsync"), BROKEN),
    (Point("os.fsync", within="NewFile.sync"), FULL),
    (Point("os.fsync", within="NewFile.sync", turn=2), FULL),
    (Point("os.fsync", within="NewFile.sync", turn=4), BROKEN),
    (Point("os.fsync", nth=4, within="DurableBatch.stage"), BROKEN),
    (Point("os.fsync", within="Place.publish"), FULL),
]
RENAMING = [
    (Point("os.rename"), READ_ONLY),
    *((Point("os.rename", nth=nth, within="Place.publish"), READ_ONLY) for nth in (1, 2, 3)),
]
COMMITTING = [
    Point("COMMIT", when, within=within)
    for within in ("Messages.record", "Messages.commit")
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


@pytest.mark.parametrize(("point", "error"), [*WRITING, *SYNCING, *RENAMING], ids=str)
def test_a_disk_that_fails_ends_the_poll_and_the_next_makes_good(
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
    assert world.poll(Fate(full, FULL)) == NOT_WRITABLE
    assert len(world.visible()) == 1
    assert world.staged() == []


def test_the_error_says_what_to_do(world: World) -> None:
    world.poll(Fate(Point("os.write", within="DurableBatch.add"), FULL))
    assert '"outcome": "sink-error"' in world.printed
    assert "df -i" in world.printed
