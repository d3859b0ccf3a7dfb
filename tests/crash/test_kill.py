"""The crash table, row by row: a real process, really killed, and what the next ones make of it.

After each kill a consumer takes away at once whatever can be seen.
"""

from __future__ import annotations

import pytest

from crash.victim import Point
from crash.world import FILES_A_MESSAGE, MAIL, World
from mailsluice.model import State

COUNT = len(MAIL)
NOT_KNOWN: dict[State, int] = {}
ALL_STAGED = {State.STAGED: COUNT}
ALL_STORED = {State.STORED: COUNT}
ALL_GONE = {State.GONE: COUNT}


def points(*points: Point) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("point", points, ids=str)


def assert_as_it_should_be(world: World, *, fetched: int | None = 1) -> None:
    """Poll until nothing changes; then each message came once, and the server is as the policy says.

    `fetched` is how often each message may have been asked for; None where that is no matter.
    """
    world.settle()
    world.assert_each_once()
    assert world.server.remaining() == (() if world.leave == "false" else tuple(world.uidls))
    if world.leave != "false":
        world.settle(days=31)
        world.assert_each_once()
        assert world.server.remaining() == (tuple(world.uidls) if world.leave == "true" else ())
    if fetched is not None:
        assert world.server.retrieved == dict.fromkeys(world.uidls, fetched)


@points(Point("Client.authenticate"), Point("Messages.confirm", "after"), Point("Client.retrieve"))
def test_row_0_nothing_fetched_leaves_no_trace(world: World, point: Point) -> None:
    world.kill(point)

    assert world.staged() == []
    assert world.ledger() == NOT_KNOWN
    assert_as_it_should_be(world)


def test_row_1_a_first_message_on_its_way_is_fetched_again(world: World) -> None:
    world.kill(Point("NewFile.write", "after", within="DurableBatch.add"))

    assert len(world.staged()) == 1
    assert world.ledger() == NOT_KNOWN
    assert_as_it_should_be(world, fetched=None)
    assert world.server.retrieved == dict(zip(world.uidls, (2, 1, 1), strict=True))


def test_row_1_a_message_cut_in_its_middle_is_swept_with_the_whole_ones_before_it(world: World) -> None:
    world.kill(Point("NewFile.write", "after", within="DurableBatch.add", turn=2))

    assert len(world.staged()) == world.files_a_message + 1
    (partial,) = (path for path in world.staged() if path.stat().st_size > len(MAIL[0]) * 10)
    assert partial.stat().st_size < len(MAIL[1]) / 2
    assert world.ledger() == NOT_KNOWN
    assert_as_it_should_be(world, fetched=None)
    assert "staging swept" in world.log
    assert world.server.retrieved == dict(zip(world.uidls, (2, 2, 1), strict=True))


@points(
    Point("DurableBatch.add", "after", nth=2),
    Point("DurableBatch.stage"),
    Point("NewFile.sync", "after", within="DurableBatch.stage"),
    Point("Directory.sync", within="DurableBatch.stage"),
)
def test_row_1_what_is_not_synced_proves_nothing(world: World, point: Point) -> None:
    world.kill(point)

    assert world.staged() != []
    assert world.ledger() == NOT_KNOWN
    assert_as_it_should_be(world, fetched=None)


@points(
    Point("Directory.sync", "after", within="DurableBatch.stage"),
    Point("DurableBatch.stage", "after"),
    Point("Messages.record"),
    Point("COMMIT", within="Messages.record"),
)
def test_row_2_staged_and_not_recorded_is_swept_and_fetched_again(world: World, point: Point) -> None:
    world.kill(point)

    assert len(world.staged()) == COUNT * world.files_a_message
    assert world.ledger() == NOT_KNOWN
    assert_as_it_should_be(world, fetched=2)
    assert "staging swept" in world.log


@points(
    Point("COMMIT", "after", within="Messages.record"),
    Point("Messages.record", "after"),
    Point("Place.publish"),
)
def test_row_3_recorded_is_rolled_forward_not_fetched_again(world: World, point: Point) -> None:
    world.kill(point)

    assert len(world.staged()) == COUNT * world.files_a_message
    assert world.ledger() == ALL_STAGED
    assert_as_it_should_be(world)
    assert "rolled forward" in world.log


@pytest.mark.parametrize(
    ("sink", "renames"),
    [(sink, n) for sink, files in FILES_A_MESSAGE.items() for n in range(1, files * COUNT + 1)],
)
def test_row_4_part_of_a_batch_renamed_and_taken_is_finished_without_a_second_copy(
    world: World, renames: int
) -> None:
    world.kill(Point("Directory.rename", "after", nth=renames))

    assert len(world.staged()) == COUNT * world.files_a_message - renames
    assert len(world.taken) == renames // world.files_a_message
    assert world.ledger() == ALL_STAGED
    assert_as_it_should_be(world)


@points(
    Point("Directory.sync", within="Place.publish"),
    Point("Directory.sync", "after", within="Place.publish"),
    Point("Messages.commit"),
    Point("COMMIT", within="Messages.commit"),
)
def test_row_4_all_renamed_and_taken_but_not_committed_is_known_as_published(
    world: World, point: Point
) -> None:
    world.kill(point)

    assert world.staged() == []
    assert len(world.taken) == COUNT
    assert world.ledger() == ALL_STAGED
    assert_as_it_should_be(world)


@points(
    Point("COMMIT", "after", within="Messages.commit"),
    Point("Messages.commit", "after"),
    Point("Client.quit"),
)
def test_row_5_committed_is_never_fetched_again_and_deleted_as_the_policy_says(
    any_world: World, point: Point
) -> None:
    any_world.kill(point)

    assert any_world.ledger() == ALL_STORED
    assert any_world.server.remaining() == tuple(any_world.uidls)
    assert_as_it_should_be(any_world)


@points(
    Point("Client.delete", "after"),
    Point("Exchange.send", within="Client.quit"),
    Point("Exchange.answer", within="Client.quit"),
    Point("Client.quit", "after"),
)
def test_row_6_after_dele_the_next_listing_decides(world: World, point: Point) -> None:
    world.kill(point)

    assert "DELE 3" in world.server.sessions[-1].commands
    assert world.ledger() == ALL_STORED
    assert_as_it_should_be(world)


@points(
    Point("Client.delete", nth=1),
    Point("Client.delete", "after", nth=1),
    Point("Exchange.answer", within="Client.quit"),
    Point("Client.quit", "after"),
)
def test_row_6_the_deletion_of_what_has_aged_is_caught_up_with(aging_world: World, point: Point) -> None:
    aging_world.settle()
    aging_world.kill(point, days=31)

    assert aging_world.ledger() == ALL_STORED
    aging_world.settle(days=31)
    aging_world.assert_each_once()
    assert aging_world.server.remaining() == ()


@points(Point("COMMIT", within="Messages.confirm"), Point("COMMIT", "after", within="Messages.confirm"))
def test_row_7_absence_from_a_listing_is_noted_at_the_next_chance(world: World, point: Point) -> None:
    assert world.poll() == 0
    world.kill(point)

    assert world.ledger() == (ALL_STORED if point.when == "before" else ALL_GONE)
    assert_as_it_should_be(world)
    assert world.ledger() == ALL_GONE
