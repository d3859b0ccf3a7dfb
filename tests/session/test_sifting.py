"""Of many new messages, those that only came back are told by TOP. The whole: test_returning."""

from __future__ import annotations

import pytest

from session.test_returning import asked, kept, recent, renumber
from session.world import World


def test_where_nothing_is_lost_no_header_is_asked_for(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(*(recent(n) for n in range(100)))
    world.poll()
    assert asked(world, "TOP") == 0


@pytest.mark.parametrize("how", ["refused", "without TOP", "a notice"])
def test_where_a_header_is_not_told_the_message_itself_tells(world: World, how: str) -> None:
    letters = kept(world, 70)
    renumber(world)
    world.server.has_top = how != "without TOP"
    world.server.headers_refused = how != "a notice"

    assert world.outcome() == ("ok", 0)

    assert world.stored() == letters


def test_a_header_that_ends_the_session_costs_one(world: World) -> None:
    letters = kept(world, 70)
    renumber(world)
    world.server.headers_cut = {list(world.server.mail)[5]}

    outcomes = [world.outcome()[0] for _ in range(2)]

    assert outcomes == ["connection-lost", "ok"]
    assert world.stored() == letters
