"""A message at which a session ended is tried in a session of its own, after all others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailsluice.failure import Why
from mailsluice.obs import events
from session.world import ONE, THREE, TWO, World

HOUR = timedelta(hours=1)


def poll(world: World) -> str:
    """One in which u1 ends the session that it is fetched in."""
    world.server.cut = {b"u1"}
    return world.outcome()[0]


def test_the_others_are_brought_home_before(world: World) -> None:
    world.deliver(ONE, TWO, THREE)
    assert poll(world) == "connection-lost"
    world.server.said.clear()

    assert poll(world) == "messages-refused"

    said = world.server.said
    assert said.index("RETR u3") < said.index("DELE u3") < said.index("QUIT") < said.index("RETR u1")
    assert said.count("CONNECT") == 2
    assert world.stored() == [TWO, THREE]
    assert world.server.mail == {b"u1": ONE}
    assert len(world.logged(events.APART_ENDED)) == 1


def test_a_login_that_is_refused_there_is_probably_throttled_because_one_was_just_let_in(
    world: World,
) -> None:
    def refuse_from_now_on(_: bytes) -> None:
        world.server.refused_login = "Authentication failure: unknown user name or bad password."

    world.deliver(ONE, TWO)
    poll(world)
    world.server.on_retrieved = refuse_from_now_on

    poll(world)

    (ended,) = world.logged(events.APART_ENDED)
    assert ended["remedy"].startswith("probably the server throttles")


def test_it_is_stored_and_deleted_there_when_it_comes(world: World) -> None:
    world.deliver(ONE, TWO)
    poll(world)
    assert world.outcome() == ("ok", 0)
    assert sorted(world.stored()) == [ONE, TWO]
    assert world.server.mail == {}
    assert world.ledger.failures.read(world.mailbox.key) == {}


def test_after_two_times_it_is_tried_once_an_hour(world: World) -> None:
    world.deliver(ONE, TWO)
    outcomes = [poll(world)]
    for _ in range(4):
        world.deliver(THREE)
        outcomes.append(poll(world))
    world.clock.advance(HOUR)
    outcomes.append(poll(world))
    assert outcomes == [
        "connection-lost",
        "messages-refused",
        "messages-refused",
        "ok",
        "ok",
        "messages-refused",
    ]


def test_after_three_times_over_a_day_it_is_in_quarantine_and_tried_daily(world: World) -> None:
    world.deliver(ONE, TWO)
    for n in range(5):
        world.deliver(b"Subject: %d\r\n\r\nx\r\n" % n)
        poll(world)
        world.clock.advance(timedelta(hours=13))
    (found,) = world.ledger.failures.read(world.mailbox.key).values()
    assert found.kind is Why.BROKE
    assert found.quarantined
    world.pass_days(1)
    world.server.cut = set()
    assert world.outcome() == ("ok", 0)
    assert world.server.mail == {}


def test_where_no_other_comes_its_own_header_speaks_against_it(world: World) -> None:
    world.deliver(ONE)
    for _ in range(3):
        poll(world)
    (found,) = world.ledger.failures.read(world.mailbox.key).values()
    assert found.times == 2


@pytest.mark.parametrize("command", ["login", "listing"])
def test_a_session_apart_that_cannot_be_had_costs_nothing(world: World, command: str) -> None:
    world.deliver(ONE, TWO)
    poll(world)
    sessions = world.server.count("CONNECT")
    world.server.arranged = lambda session, uidls: uidls if session == sessions + 1 else []
    if command == "login":
        world.server.on_retrieved = lambda _: setattr(world.server, "refused_login", "no more today")
    assert world.outcome()[0] == "ok"
    assert world.stored() == [TWO]
    assert list(world.server.mail.values()) == [ONE]
