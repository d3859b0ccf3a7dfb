"""Mailboxes that are moved, or whose UIDLs change, after a session that did not come to delete."""

from __future__ import annotations

import pytest

from mailsluice.errors import ConnectionLost, Phase
from session.test_returning import kept, recent, renumber
from session.world import ONE, TWO, World, interrupted


@pytest.mark.parametrize("how", ["before QUIT", "at QUIT"])
def test_one_that_was_to_be_deleted_is_known_though_another_gets_its_uidl(world: World, how: str) -> None:
    world.deliver(ONE)
    if how == "at QUIT":
        world.server.quit_fails = ConnectionLost("x", phase=Phase.QUIT)
    else:
        world.server.deletion_cut = {b"u1"}
    world.poll()
    world.server.quit_fails, world.server.deletion_cut = None, set()
    world.deliver(TWO)
    world.server.listed_twice = {b"u1"}
    for _ in range(3):
        world.poll()
    assert world.stored() == [ONE, TWO]


@pytest.mark.parametrize("how", ["before QUIT", "at QUIT"])
def test_a_mailbox_that_is_moved_while_sessions_break_stores_nothing_twice(world: World, how: str) -> None:
    letters = [recent(n) for n in range(5)]
    world.deliver(*letters)
    if how == "at QUIT":
        world.server.quit_fails = ConnectionLost("x", phase=Phase.QUIT)
    else:
        world.server.deletion_cut = {b"u4"}
    world.poll()
    world.server.quit_fails, world.server.deletion_cut = None, set()
    renumber(world)
    for _ in range(3):
        world.poll()
    assert world.stored() == letters


def test_namesakes_told_apart_only_in_part_after_a_broken_session_are_stored_once(world: World) -> None:
    letters = [recent(n) for n in range(3)]
    world.deliver(*letters)
    world.server.listed_twice = {b"u1"}
    world.server.deletion_cut = {b"u3"}
    world.poll()
    world.server.deletion_cut = set()
    world.server.tired_after = 1
    world.poll()
    world.server.tired_after = None
    for _ in range(3):
        world.poll()
    assert sorted(world.stored()) == letters


def test_a_broken_session_a_move_and_a_new_policy_store_nothing_twice(world: World) -> None:
    letters = [recent(n) for n in range(3)]
    world.deliver(*letters)
    world.server.deletion_cut = {b"u2"}
    world.poll()
    world.server.deletion_cut = set()
    world.configure(leave_on_server=True)
    renumber(world)
    for _ in range(3):
        world.poll()
    assert world.stored() == letters


def test_a_crash_between_a_returning_message_and_its_batch_stores_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = kept(world, 3)
    moved = world.server.mail.pop(b"u2")
    world.poll()
    world.deliver(moved, ONE)
    interrupted(world, monkeypatch)
    for _ in range(2):
        world.poll()
    assert sorted(world.stored()) == sorted([*letters, ONE])
