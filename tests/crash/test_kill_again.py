"""Recovery is killed as well, at each of its steps, and the one after it still makes good."""

from __future__ import annotations

import pytest

from crash.victim import Point
from crash.world import MAIL, World

RENAMED = [Point("Directory.rename", "after", nth=nth) for nth in range(1, 2 * len(MAIL) + 1)]
PUBLISHED = [
    Point("Directory.sync", within="Staging.publish"),
    Point("Directory.sync", "after", within="Staging.publish"),
    Point("COMMIT", within="Ledger.commit"),
    Point("COMMIT", "after", within="Ledger.commit"),
    Point("Staging.sweep"),
]
REMOVED = [Point("Directory.unlink", "after", nth=nth) for nth in range(1, 2 * len(MAIL) + 1)]


def assert_as_it_should_be(world: World) -> None:
    world.settle()
    world.assert_each_once()
    assert world.server.remaining() == ()


def skip_unless_reached(world: World, point: Point, files: int) -> None:
    if point.call in {"Directory.rename", "Directory.unlink"} and point.nth > files:
        pytest.skip("there are not so many files")


@pytest.mark.parametrize("again", [*RENAMED, *PUBLISHED], ids=str)
@pytest.mark.parametrize(
    "first",
    [Point("Ledger.record", "after"), Point("Directory.rename", "after", nth=2)],
    ids=["from-row-3", "from-row-4"],
)
def test_a_roll_forward_that_is_killed_is_finished_by_the_next(
    world: World, first: Point, again: Point
) -> None:
    skip_unless_reached(world, again, len(MAIL) * world.files_a_message)
    world.kill(first)
    world.kill(again)
    assert_as_it_should_be(world)
    assert world.server.retrieved == dict.fromkeys(world.uidls, 1)


@pytest.mark.parametrize("again", [*REMOVED, Point("Staging.sweep", "after")], ids=str)
@pytest.mark.parametrize(
    ("first", "messages"),
    [(Point("DurableBatch.add", "after", nth=2), 2), (Point("Ledger.record"), 3)],
    ids=["from-row-1", "from-row-2"],
)
def test_a_sweep_that_is_killed_is_finished_by_the_next(
    world: World, first: Point, messages: int, again: Point
) -> None:
    skip_unless_reached(world, again, messages * world.files_a_message)
    world.kill(first)
    world.kill(again)
    assert world.ledger() == {}
    assert_as_it_should_be(world)


def test_killed_over_and_over_at_the_same_place_it_gets_no_further_and_loses_nothing(world: World) -> None:
    for _ in range(4):
        world.kill(Point("DurableBatch.stage", "after"))
        world.kill(Point("Staging.sweep", "after"))
    assert_as_it_should_be(world)
