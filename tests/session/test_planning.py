"""What a listing comes to: too long, partly unusable, or of messages that a changed policy deletes."""

from __future__ import annotations

import pytest

from mailsluice.errors import ConnectionLost, Phase
from mailsluice.model import State
from mailsluice.obs import events
from mailsluice.session.seen import Settled, Way, settle
from session.test_returning import recent
from session.world import ONE, THREE, TWO, World


@pytest.fixture
def small(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which five messages are many."""
    monkeypatch.setattr("mailsluice.policy.plan.MOST_MESSAGES", 4)
    monkeypatch.setattr("mailsluice.session.planning.LARGE", 3)
    return world


def letters(count: int) -> list[bytes]:
    return [recent(n) for n in range(count)]


def test_a_mailbox_of_too_many_that_are_deleted_drains(small: World) -> None:
    mail = letters(10)
    small.deliver(*mail)
    first = small.poll()
    assert (first.report.outcome, first.report.held) == ("ok", {"beyond": 6})
    assert small.stored() == [*mail[:3], mail[-1]]
    assert {small.outcome() for _ in range(3)} == {("ok", 0)}
    assert sorted(small.stored()) == sorted(mail)
    assert small.server.mail == {}
    assert small.report().held == {}


def test_of_a_mailbox_of_too_many_that_are_kept_the_new_ones_come(small: World) -> None:
    small.configure(leave_on_server=True)
    mail = letters(9)
    small.deliver(*mail[:3])
    small.poll()
    small.deliver(*mail[3:6])
    small.poll()
    small.deliver(*mail[6:])
    assert small.poll().report.held == {"beyond": 5}
    assert sorted(small.stored()) == sorted(mail)
    rows = small.ledger.messages.known(small.mailbox.key).values()
    assert [row.state for row in rows] == [State.STORED] * 9, "what is beyond is not taken for gone"


def test_of_a_mailbox_that_keeps_for_a_time_the_oldest_go_and_the_newest_come(small: World) -> None:
    small.configure(leave_on_server="30d")
    mail = letters(8)
    small.deliver(*mail)
    small.poll()
    assert small.stored() == [*mail[:2], *mail[-2:]]
    small.pass_days(31)
    small.poll()
    small.poll()
    assert list(small.server.mail.values()) == mail[2:-2]


def test_a_failure_of_a_message_beyond_the_window_is_not_forgotten(small: World) -> None:
    small.configure(leave_on_server=True)
    mail = letters(8)
    (first, *_) = small.deliver(*mail[:3])
    small.server.refused = {first}
    small.poll()
    small.deliver(*mail[3:])
    small.poll()
    assert list(small.ledger.failures.read(small.mailbox.key)) == [first]


@pytest.mark.parametrize(("count", "warned"), [(2, False), (3, True), (5, True)])
def test_a_mailbox_that_grows_large_is_warned_of(small: World, count: int, warned: bool) -> None:
    small.configure(leave_on_server=True)
    small.deliver(*letters(count))
    small.poll()
    said = small.logged(events.MAILBOX_LARGE)
    assert bool(said) == warned
    if warned:
        assert (said[0]["messages"], said[0]["beyond"]) == (count, max(0, count - 4))


def test_all_of_a_mailbox_that_is_too_large_can_be_marked_as_seen(small: World) -> None:
    small.configure(leave_on_server=True)
    small.deliver(*letters(9))
    assert settle(small.mailbox, Way.MARK, small.context) == Settled(marked=9)
    for uidl in list(small.server.mail)[-6:]:
        del small.server.mail[uidl]
        small.poll()
    assert small.stored() == []


def test_unusable_lines_hold_their_messages_and_no_others(world: World) -> None:
    world.deliver(ONE, TWO)
    world.server.unusable_lines = 2
    polled = world.poll()
    assert (polled.report.outcome, polled.report.held) == ("ok", {"unusable": 2})
    assert polled.report.listed == 4
    assert world.stored() == [ONE, TWO]
    (said,) = world.logged(events.LISTING_UNUSABLE)
    assert (said["messages"], said["examples"]) == (2, ["no line"])


def test_while_lines_are_unusable_nothing_is_taken_for_gone(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(ONE, TWO)
    world.poll()
    (kept,) = [world.server.mail.pop(b"u1")]
    world.server.unusable_lines = 1
    world.poll()
    world.server.unusable_lines = 0
    world.server.mail[b"u1"] = kept
    world.server.said.clear()
    assert world.outcome() == ("ok", 0)
    assert not any(said.startswith("RETR") for said in world.server.said)
    assert world.stored() == [ONE, TWO]


def test_the_first_poll_after_a_mailbox_is_turned_to_deletion_says_how_many_go(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(ONE, TWO)
    world.poll()
    world.configure(leave_on_server=False)
    world.deliver(THREE)
    assert world.outcome() == ("ok", 0)
    (said,) = world.logged(events.DELETING_OLD)
    assert (said["log_level"], said["messages"]) == ("warning", 2)
    assert world.logged(events.STILL_LISTED) == []
    world.poll()
    assert len(world.logged(events.DELETING_OLD)) == 1


def test_mail_that_has_aged_goes_without_a_word(world: World) -> None:
    world.configure(leave_on_server="30d")
    world.deliver(ONE, TWO)
    world.poll()
    world.pass_days(31)
    world.poll()
    assert world.server.mail == {}
    assert world.logged(events.DELETING_OLD) == []


def test_what_a_broken_session_left_is_not_taken_for_a_change_of_policy(world: World) -> None:
    world.deliver(ONE, TWO, THREE)
    world.server.cut = {b"u3"}
    world.poll()
    world.poll()
    assert world.logged(events.DELETING_OLD) == []


def test_a_server_that_undoes_deletions_is_noticed_each_time(world: World) -> None:
    world.deliver(ONE, TWO)
    world.server.quit_fails = ConnectionLost("gone", phase=Phase.QUIT)
    assert [world.outcome() for _ in range(2)] == [("ok", 0)] * 2
    assert [world.outcome() for _ in range(3)] == [("still-listed", 75)] * 3
    assert world.report().failures == 3
    assert [entry["messages"] for entry in world.logged(events.STILL_LISTED)] == [2] * 4
    world.server.quit_fails = None
    world.poll()
    assert world.outcome() == ("ok", 0)


def test_a_session_that_broke_before_quit_is_not_held_against_the_server(world: World) -> None:
    world.deliver(ONE, TWO, THREE)
    world.server.deletion_cut = {b"u2"}
    world.poll()
    world.server.deletion_cut = set()
    assert world.outcome() == ("ok", 0)
    assert world.logged(events.STILL_LISTED) == []
