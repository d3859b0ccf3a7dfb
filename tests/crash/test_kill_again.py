"""Recovery is killed as well, at each of its steps, and the one after it still makes good."""

from __future__ import annotations

import pytest

from crash.victim import Point
from crash.world import FILES_A_MESSAGE, MAIL, World

PUBLISHING = [
    Point("Directory.sync", within="Place.finish"),
    Point("Directory.sync", "after", within="Place.finish"),
    Point("COMMIT", within="Messages.commit"),
    Point("COMMIT", "after", within="Messages.commit"),
    Point("Place.sweep"),
]
SWEPT = Point("Place.sweep", "after")


def each(call: str, messages: int) -> list[tuple[str, Point]]:
    """A point after each call of this kind that so many messages take, for each sink."""
    return [
        (sink, Point(call, "after", nth=nth))
        for sink, files in FILES_A_MESSAGE.items()
        for nth in range(1, messages * files + 1)
    ]


def assert_as_it_should_be(world: World) -> None:
    world.settle()
    world.assert_each_once()
    assert world.server.remaining() == ()


def kill_twice(world: World, first: Point, again: Point) -> None:
    world.kill(first)
    world.kill(again)


@pytest.mark.parametrize(("sink", "again"), each("Directory.rename", len(MAIL)), ids=str)
def test_a_roll_forward_that_is_killed_between_renames_is_finished_by_the_next(
    world: World, again: Point
) -> None:
    kill_twice(world, Point("Messages.record", "after"), again)
    assert_as_it_should_be(world)
    assert world.server.retrieved == dict.fromkeys(world.uidls, 1)


@pytest.mark.parametrize("again", PUBLISHING, ids=str)
def test_a_roll_forward_that_is_killed_after_the_renames_is_finished_by_the_next(
    world: World, again: Point
) -> None:
    kill_twice(world, Point("Directory.rename", "after", nth=2), again)
    assert_as_it_should_be(world)
    assert world.server.retrieved == dict.fromkeys(world.uidls, 1)


@pytest.mark.parametrize(("sink", "again"), each("Directory.unlink", 2), ids=str)
def test_a_sweep_that_is_killed_is_finished_by_the_next(world: World, again: Point) -> None:
    kill_twice(world, Point("DurableBatch.add", "after", nth=2), again)
    assert world.ledger() == {}
    assert_as_it_should_be(world)


def test_a_kill_after_the_sweep_leaves_nothing_to_recover(world: World) -> None:
    kill_twice(world, Point("Messages.record"), SWEPT)
    assert world.staged() == []
    assert world.ledger() == {}
    assert_as_it_should_be(world)


def test_killed_over_and_over_at_the_same_place_it_gets_no_further_and_loses_nothing(world: World) -> None:
    for _ in range(4):
        kill_twice(world, Point("DurableBatch.stage", "after"), SWEPT)
    assert_as_it_should_be(world)
