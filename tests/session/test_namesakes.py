"""Messages that a listing has under one UIDL: each is stored once, and deleted where the policy says so."""

from __future__ import annotations

import pytest

from mailsluice.session import namesakes
from session.test_returning import recent
from session.world import ONE, THREE, TWO, World

BARE = b"Subject: one of many\r\n\r\nfirst\r\n", b"Subject: one of many\r\n\r\nsecond\r\n"


def outcomes(world: World, polls: int = 3) -> set[tuple[str, int]]:
    return {world.outcome() for _ in range(polls)}


@pytest.fixture
def twins(world: World) -> World:
    world.deliver(ONE, TWO, THREE)
    world.server.listed_twice = {b"u1"}
    return world


def test_both_are_stored_and_deleted_in_one_session_with_a_warning(twins: World) -> None:
    assert twins.outcome() == ("ok", 0)
    assert twins.stored() == [ONE, TWO, THREE]
    assert twins.server.mail == {}
    assert [entry["number"] for entry in twins.logged("uidl ambiguous")] == [1, 2]


def test_each_is_stored_once_where_mail_is_kept(twins: World) -> None:
    twins.configure(leave_on_server=True)
    assert outcomes(twins) == {("ok", 0)}
    assert twins.stored() == [ONE, TWO, THREE]
    assert len(twins.server.mail) == 3


def test_what_is_kept_is_quiet_though_it_shares_its_uidl(twins: World) -> None:
    twins.configure(leave_on_server=True)
    outcomes(twins)
    twins.server.said.clear()
    twins.poll()
    assert not any(said.startswith("TOP") for said in twins.server.said)


def test_two_whose_headers_are_the_same_are_both_stored(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(*BARE)
    world.server.listed_twice = {b"u1"}
    assert outcomes(world) == {("ok", 0)}
    assert world.stored() == list(BARE)


def test_one_that_was_stored_before_another_got_its_uidl_is_not_stored_again(world: World) -> None:
    world.configure(leave_on_server=True)
    one, two = recent(1), recent(2)
    world.deliver(one)
    world.poll()
    world.server.mail = {b"u1": one, b"u2": two}
    world.server.listed_twice = {b"u1"}
    assert outcomes(world) == {("ok", 0)}
    assert world.stored() == [one, two]


def test_the_one_that_is_left_when_the_other_was_filed_away_is_known(world: World) -> None:
    world.configure(leave_on_server=True)
    one, two = recent(1), recent(2)
    world.deliver(one, two)
    world.server.listed_twice = {b"u1"}
    outcomes(world)
    del world.server.mail[b"u2"]
    assert outcomes(world) == {("ok", 0)}
    assert world.stored() == [one, two]


def test_several_sessions_store_each_once(world: World) -> None:
    world.configure(leave_on_server=True, connections=3)
    letters = [recent(n) for n in range(60)]
    world.deliver(*letters)
    world.server.listed_twice = {b"u1", b"u30"}
    assert outcomes(world) == {("ok", 0)}
    assert sorted(world.stored()) == sorted(letters)


def test_without_top_they_are_held_and_the_others_come(twins: World) -> None:
    twins.server.has_top = False
    twins.server.headers_refused = True
    polled = twins.poll()
    assert twins.stored() == [THREE]
    assert polled.report.held == {"ambiguous": 2}


def test_a_header_that_ends_the_session_is_not_asked_for_again_that_day(twins: World) -> None:
    twins.server.headers_cut = {b"u1"}
    assert [twins.outcome()[0] for _ in range(3)] == ["connection-lost", "ok", "ok"]
    assert twins.stored() == [THREE]
    assert twins.report().held == {"ambiguous": 2}


def test_what_time_is_left_for_is_told_apart_and_the_rest_next_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namesakes, "SECONDS", 0.0)
    world.deliver(ONE, TWO)
    world.server.listed_twice = {b"u1"}
    assert world.poll().report.held == {"ambiguous": 2}
    monkeypatch.undo()
    world.poll()
    assert world.stored() == [ONE, TWO]
