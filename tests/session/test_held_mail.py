"""What stays on the server for another reason than policy is counted from its first day, in every poll."""

from __future__ import annotations

from datetime import timedelta

import pytest

from session.fakes import FakeClient
from session.test_returning import kept, recent
from session.world import BIG, ONE, THREE, TWO, World


def held(world: World) -> object:
    return world.poll().report.held


def test_a_mistyped_size_shows_at_once_and_in_every_poll(world: World) -> None:
    world.configure(max_message="10B")
    world.deliver(ONE, TWO, THREE)
    assert [held(world) for _ in range(4)] == [{"too-large": 3}] * 4
    assert world.report().held == {"too-large": 3}


def test_one_that_only_shows_on_the_way_that_it_is_too_large_is_counted_at_once(world: World) -> None:
    world.configure(max_message="1KiB")
    world.server.gives_sizes = False
    world.deliver(ONE, BIG)
    assert held(world) == {"too-large": 1}


def test_a_refused_message_is_held_from_its_first_failure_and_then_in_quarantine(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(ONE, TWO, THREE)
    world.server.refused = {b"u2"}
    seen = []
    for n in range(6):
        world.deliver(recent(n))
        seen.append(held(world))
        world.clock.advance(timedelta(hours=12))
    assert seen[0] == {"refused": 1}
    assert seen[-1] == {"quarantined": 1}
    world.server.refused = set()
    world.pass_days(1)
    assert held(world) == {}


def test_one_that_ends_the_session_is_held_while_it_rests(world: World) -> None:
    world.deliver(ONE, TWO)
    for _ in range(3):
        world.server.cut = {b"u1"}
        world.poll()
    assert world.report().held == {"refused": 1}


def test_messages_that_a_quota_leaves_are_waiting_and_not_held(world: World) -> None:
    world.deliver(*(recent(n) for n in range(30)))
    world.server.refused = {b"u%d" % n for n in range(11, 31)}
    report = world.poll().report
    assert (report.held, report.waiting) == ({}, 20)


def test_a_notice_in_the_place_of_a_message_is_held(world: World) -> None:
    world.deliver(ONE, TWO)
    world.server.substituted = {b"u1"}
    assert [held(world) for _ in range(3)] == [{"substitute": 1}] * 3


def test_one_that_is_due_and_whose_header_is_not_told_is_held(world: World) -> None:
    kept(world, 3)
    world.configure(leave_on_server=False)
    world.server.headers_refused = True
    assert held(world) == {"unclear": 3}
    world.server.headers_refused = False
    assert held(world) == {}


def test_deletions_that_the_server_refuses_are_held(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeClient, "undeleted", 2)
    world.deliver(ONE, TWO)
    assert held(world) == {"undeletable": 2}


def test_what_policy_keeps_is_not_held(world: World) -> None:
    world.configure(leave_on_server=True, max_per_poll=2)
    world.deliver(ONE, TWO, THREE)
    assert [held(world) for _ in range(4)] == [{}] * 4


def test_a_poll_that_gets_no_listing_leaves_the_counts_as_they_were(world: World) -> None:
    world.configure(max_message="10B")
    world.deliver(ONE)
    world.poll()
    world.server.refused_login = "no"
    assert held(world) is None
    assert world.report().held == {"too-large": 1}


def test_what_was_acknowledged_is_no_news_until_more_comes(world: World) -> None:
    world.configure(max_message="10B", leave_on_server=True)
    world.deliver(ONE, TWO)
    world.poll()
    assert world.report().news == 2
    world.ledger.reports.acknowledge(world.mailbox.key)
    world.poll()
    assert world.report().news == 0
    world.deliver(THREE)
    world.poll()
    assert world.report().news == 1


def test_what_left_meanwhile_makes_room_for_no_other(world: World) -> None:
    world.configure(max_message="10B", leave_on_server=True)
    world.deliver(ONE, TWO)
    world.poll()
    world.report()
    world.ledger.reports.acknowledge(world.mailbox.key)
    del world.server.mail[b"u1"]
    world.poll()
    assert world.report().news == 0
    world.deliver(THREE)
    world.poll()
    assert world.report().news == 1


def test_a_message_without_octets_is_stored_if_list_says_so(world: World) -> None:
    world.deliver(b"", ONE)
    assert world.outcome() == ("ok", 0)
    assert sorted(world.stored()) == [b"", ONE]
    assert world.server.mail == {}
