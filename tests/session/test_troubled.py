"""Mailboxes with several troubles at once: nothing is doubled, hidden by another, or starved for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailsluice.errors import ConnectionLost, Phase
from mailsluice.model import State
from mailsluice.session import late
from mailsluice.session.seen import Way, settle
from session.test_returning import kept, move_out, recent, renumber, states
from session.world import ONE, TWO, World


def arriving(number: int) -> bytes:
    """One that came after the first poll."""
    return recent(number, hour=22)


def is_quarantined(world: World, uidl: bytes) -> bool:
    return world.ledger.failures.read(world.mailbox.key)[uidl].quarantined


def test_a_message_that_once_ended_a_session_comes_though_no_header_is_told(world: World) -> None:
    world.server.headers_refused = True
    world.deliver(ONE, TWO)
    world.server.cut = {b"u1"}
    for _ in range(6):
        world.poll()
        world.pass_days(2)
    assert sorted(world.stored()) == sorted([ONE, TWO])


def test_a_header_that_ends_sessions_does_not_hide_a_backlog(world: World) -> None:
    kept(world, 3)
    move_out(world, b"u2")
    world.poll()
    uidls = world.deliver(*(arriving(n) for n in range(59)), *(recent(n, hour=20) for n in range(20)))
    world.server.headers_cut = {uidls[-1]}
    for _ in range(6):
        world.poll()
        world.pass_days(1)
    assert len(world.stored()) == 3 + 79


def test_a_message_that_comes_right_is_not_starved_by_ten_that_do_not(world: World) -> None:
    world.configure(leave_on_server=True)
    uidls = world.deliver(*(recent(n) for n in range(12)))
    world.server.refused = set(uidls)
    for _ in range(3):
        world.poll()
    world.server.refused = set(uidls[:10])
    for n in range(8):
        world.pass_days(2)
        world.deliver(arriving(n))
        world.poll()
    assert recent(11) in world.stored()


def test_one_whose_header_and_text_both_end_sessions_is_set_aside(world: World) -> None:
    world.deliver(ONE)
    world.server.headers_cut = {b"u1"}
    for n in range(12):
        world.server.cut = {b"u1"}
        world.deliver(recent(n))
        world.poll()
        world.clock.advance(timedelta(hours=13))
    assert is_quarantined(world, b"u1")


def test_one_that_now_ends_the_session_and_now_is_refused_is_set_aside(world: World) -> None:
    world.deliver(ONE)
    for day in range(8):
        world.server.refused = {b"u1"} if day % 2 else set()
        world.server.cut = {b"u1"}
        world.deliver(recent(day))
        world.poll()
        world.pass_days(1)
    assert is_quarantined(world, b"u1")


def test_ten_that_are_refused_for_days_beside_others_are_set_aside(world: World) -> None:
    world.configure(leave_on_server=True)
    uidls = world.deliver(*(recent(n) for n in range(10)))
    world.server.refused = set(uidls)
    for day in range(8):
        world.deliver(arriving(day))
        world.poll()
        world.pass_days(1)
    assert all(is_quarantined(world, uidl) for uidl in uidls)


def test_one_bad_message_apart_does_not_keep_another_from_coming(world: World) -> None:
    world.server.headers_refused = True
    world.deliver(ONE, TWO)
    for uidl in (b"u1", b"u2", b"u2"):
        world.server.cut = {uidl}
        world.poll()
    for _ in range(6):
        world.server.cut = {b"u1"}
        world.poll()
        world.pass_days(1)
    assert TWO in world.stored()


def test_a_notice_that_is_to_be_taken_is_stored_though_the_message_once_ended_a_session(world: World) -> None:
    world.deliver(ONE, TWO)
    world.server.cut = {b"u1"}
    world.poll()
    world.server.substituted = {b"u1"}
    world.ledger.failures.take(world.mailbox.key, [b"u1"])
    for _ in range(3):
        world.poll()
    assert len(world.stored()) == 2


def test_blaming_a_message_by_its_header_does_not_undo_deletions(world: World) -> None:
    kept(world, 3)
    (refused,) = world.deliver(arriving(9))
    world.server.refused, world.server.headers_cut = {refused}, {refused}
    world.configure(leave_on_server=False)
    for _ in range(6):
        world.poll()
        world.pass_days(1)
    assert list(world.server.mail) == [refused]


@pytest.mark.parametrize("has_top", [True, False])
def test_uidls_that_moved_on_by_one_are_sorted_out_in_several_polls(
    world: World, monkeypatch: pytest.MonkeyPatch, has_top: bool
) -> None:
    letters = kept(world, 6)
    uidls = [*list(world.server.mail)[1:], b"u1"]
    world.server.has_top = has_top
    world.server.headers_refused = not has_top
    world.server.mail = dict(zip(uidls, letters, strict=True))
    world.server.sizes = {uidl: 1000 + n for n, uidl in enumerate(uidls)}
    monkeypatch.setattr(late, "_AT_ONCE", 2)
    world.server.tired_after = 2
    for _ in range(8):
        assert world.outcome() == ("ok", 0)
    assert world.stored() == letters
    assert states(world) == [State.STORED] * 6


def test_what_we_asked_to_delete_in_vain_is_known_again_when_the_mailbox_is_renumbered(world: World) -> None:
    world.configure(leave_on_server=False)
    message = recent(1)
    world.deliver(message)
    world.server.quit_fails = ConnectionLost("cut", phase=Phase.QUIT)
    world.poll()
    world.server.quit_fails = None
    world.configure(leave_on_server=True)
    for _ in range(3):
        world.poll()
    renumber(world)
    world.poll()
    assert world.stored() == [message]


@pytest.mark.parametrize("keeps", [True, False])
def test_another_message_under_the_uidl_of_a_seen_one_is_stored_and_the_seen_one_stays(
    world: World, keeps: bool
) -> None:
    world.configure(leave_on_server=keeps)
    seen, other = recent(1), arriving(2) + b"more\r\n"
    world.deliver(seen)
    settle(world.mailbox, Way.MARK, world.context)
    world.poll()
    world.server.mail = {}
    world.poll()
    world.server.mail = {b"u0": seen, b"u1": other}
    for _ in range(4):
        world.poll()
    assert seen in world.server.mail.values()
    assert world.stored() == [other]


def test_two_seen_ones_that_come_back_one_by_one_stay_unstored(world: World) -> None:
    world.configure(leave_on_server=False)
    one, two = recent(1), recent(2) + b"longer\r\n"
    world.deliver(one, two)
    settle(world.mailbox, Way.MARK, world.context)
    world.poll()
    for mail in ({}, {b"u1": two}, {b"u1": two, b"u9": one}):
        world.server.mail = mail
        for _ in range(3):
            world.poll()
    assert len(world.server.mail) == 2
    assert world.stored() == []


@pytest.mark.parametrize("trouble", ["few at once", "one ends the session"])
def test_other_messages_under_all_the_old_uidls_are_stored_once_each(world: World, trouble: str) -> None:
    letters = kept(world, 6)
    new = [arriving(n) for n in range(6)]
    world.server.mail = dict(zip(list(world.server.mail), new, strict=True))
    world.server.sizes = {uidl: 500 + n for n, uidl in enumerate(world.server.mail)}
    world.configure(leave_on_server=False, max_per_poll=2 if trouble == "few at once" else 1000)
    if trouble != "few at once":
        world.server.cut = {b"u3"}
    for _ in range(8):
        world.poll()
    assert sorted(world.stored()) == sorted(letters + new)


def test_several_sessions_recognise_what_came_back(world: World) -> None:
    letters = kept(world, 60)
    world.configure(leave_on_server=True, connections=3)
    renumber(world)
    new = [arriving(n) for n in range(4)]
    world.deliver(*new)
    for _ in range(3):
        assert world.outcome() == ("ok", 0)
    assert sorted(world.stored()) == sorted(letters + new)
    assert all(state is State.STORED for state in states(world))
