"""A message at whose deletion the server ends the session: the others are deleted, and it is tried alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailsluice.failure import Why
from mailsluice.obs import events
from mailsluice.session.counts import Polled
from session.test_returning import recent
from session.world import ONE, THREE, TWO, World

HOUR = timedelta(hours=1)


@pytest.fixture
def stuck(world: World) -> World:
    """Three messages are stored, and none deleted: the session ended at the second."""
    world.deliver(ONE, TWO, THREE)
    world.server.deletion_cut = {b"u2"}
    assert world.outcome()[0] == "connection-lost"
    assert world.stored() == [ONE, TWO, THREE]
    assert len(world.server.mail) == 3
    return world


def polls(world: World, hours: int) -> list[Polled]:
    """One an hour, each with a new message."""
    polled = []
    for n in range(hours):
        world.clock.advance(HOUR)
        world.deliver(recent(n % 60))
        polled.append(world.poll())
    return polled


def sessions_with(world: World, uidl: bytes) -> int:
    return world.server.said.count(f"DELE {uidl.decode()}")


def test_the_others_are_deleted_first_and_it_is_tried_in_a_session_of_its_own(stuck: World) -> None:
    stuck.server.said.clear()
    assert stuck.outcome() == ("ok", 0)
    assert stuck.server.mail == {b"u2": TWO}
    said = [word for word in stuck.server.said if word.split()[0] in {"CONNECT", "DELE", "QUIT"}]
    assert said == ["CONNECT", "DELE u1", "DELE u3", "QUIT", "CONNECT", "DELE u2"]


def test_it_is_held_in_sight_from_the_first_failure(stuck: World) -> None:
    assert stuck.report().held == {"undeletable": 1}
    assert stuck.poll().report.held == {"undeletable": 1}


def test_it_is_tried_once_an_hour(stuck: World) -> None:
    stuck.poll()
    stuck.server.said.clear()
    stuck.poll()
    assert sessions_with(stuck, b"u2") == 0
    stuck.clock.advance(HOUR)
    stuck.poll()
    assert sessions_with(stuck, b"u2") == 1


def test_after_three_failures_over_a_day_while_others_are_deleted_it_is_tried_once_a_day(
    stuck: World,
) -> None:
    polls(stuck, 26)
    assert stuck.ledger.failures.read(stuck.mailbox.key)[b"u2"].quarantined
    assert len(stuck.logged(events.MESSAGE_UNDELETABLE)) == 1
    stuck.server.said.clear()
    held = [polled.report.held for polled in polls(stuck, 48)]
    assert held == [{"undeletable": 1}] * 48
    assert sessions_with(stuck, b"u2") == 2


def test_while_no_other_is_deleted_nothing_speaks_against_it(stuck: World) -> None:
    for _ in range(60):
        stuck.clock.advance(HOUR)
        stuck.poll()
    failure = stuck.ledger.failures.read(stuck.mailbox.key)[b"u2"]
    assert (failure.kind, failure.quarantined) == (Why.UNDELETED, False)


@pytest.mark.parametrize("hours", [1, 40])
def test_once_it_can_be_deleted_it_is_and_leaves_by_itself(stuck: World, hours: int) -> None:
    polls(stuck, hours)
    stuck.server.deletion_cut = set()
    assert polls(stuck, 25)[-1].report.held == {}
    assert b"u2" not in stuck.server.mail
    assert stuck.ledger.failures.read(stuck.mailbox.key) == {}
    assert stuck.stored().count(TWO) == 1


def test_where_the_mailbox_keeps_its_mail_from_now_on_it_is_held_no_more(stuck: World) -> None:
    stuck.configure(leave_on_server=True)
    assert stuck.poll().report.held == {}


def test_a_server_that_ends_sessions_at_any_deletion_blames_none(world: World) -> None:
    mail = [recent(n) for n in range(6)]
    uidls = world.deliver(*mail)
    world.server.deletion_cut = set(uidls)
    for _ in range(50):
        world.poll()
        world.clock.advance(HOUR)
    assert sorted(world.stored()) == sorted(mail)
    assert not any(each.quarantined for each in world.ledger.failures.read(world.mailbox.key).values())
    world.server.deletion_cut = set()
    for _ in range(3):
        world.poll()
        world.clock.advance(HOUR)
    assert world.server.mail == {}
    assert sorted(world.stored()) == sorted(mail)


def test_one_of_another_session_of_the_same_poll_is_tried_alone_too(world: World) -> None:
    world.configure(connections=3)
    uidls = world.deliver(*(recent(n) for n in range(60)))
    world.server.deletion_cut = {uidls[30]}
    world.poll()
    for _ in range(3):
        world.poll()
    assert list(world.server.mail) == [uidls[30]]


def test_two_of_them_take_turns(world: World) -> None:
    world.deliver(ONE, TWO, THREE)
    world.server.deletion_cut = {b"u1", b"u2"}
    for _ in range(4):
        world.poll()
        world.clock.advance(HOUR)
    assert set(world.server.mail) == {b"u1", b"u2"}
    world.server.deletion_cut = {b"u1"}
    for _ in range(3):
        world.poll()
        world.clock.advance(HOUR)
    assert set(world.server.mail) == {b"u1"}
