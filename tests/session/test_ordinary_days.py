"""Days that offices have: nothing is starved, stored twice, or held out of sight."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailsluice.errors import ConnectionLost, LoginRefused, Phase
from mailsluice.session.seen import Way, settle
from session.fakes import FakeClient
from session.test_returning import kept, move_out, recent
from session.world import BIG, ONE, THREE, TWO, World

HOUR = timedelta(hours=1)
BARE = [b"Subject: one of many\r\n\r\n%d body\r\n" % n for n in range(3)]


@pytest.mark.parametrize("words", ["[SYS/TEMP] cannot read message", "Server Unavailable. 21"])
def test_one_message_refused_in_passing_words_hides_no_others(world: World, words: str) -> None:
    world.deliver(ONE, TWO, THREE)
    world.server.refused, world.server.refused_with = {b"u1"}, words
    for _ in range(10):
        world.poll()
        world.pass_days(1)
    assert sorted(world.stored()) == sorted([TWO, THREE])


def test_ten_refused_in_words_that_are_known_hide_no_others(world: World) -> None:
    uidls = world.deliver(*(recent(n) for n in range(12)))
    world.server.refused, world.server.refused_with = set(uidls[:10]), "[SYS/PERM] corrupted"
    for _ in range(10):
        world.poll()
        world.pass_days(1)
    assert len(world.stored()) == 2


def test_one_refused_in_words_that_are_known_is_held(world: World) -> None:
    world.deliver(ONE, TWO)
    world.server.refused, world.server.refused_with = {b"u1"}, "[SYS/PERM] corrupted"
    world.poll()
    assert world.poll().report.held == {"refused": 1}


def test_an_acknowledged_quarantined_message_is_no_news_when_it_is_tried_each_day(world: World) -> None:
    world.deliver(ONE)
    world.server.refused = {b"u1"}
    for n in range(5):
        world.deliver(recent(n))
        world.poll()
        world.clock.advance(timedelta(hours=13))
    world.poll()
    world.clock.advance(HOUR)
    world.poll()
    assert world.report().held == {"quarantined": 1}
    world.ledger.reports.acknowledge(world.mailbox.key)
    assert world.report().news == 0
    news = []
    for n in range(72):
        world.deliver(recent(n % 60, hour=20))
        world.poll()
        news.append((world.report().news, str(world.report().held)))
        world.clock.advance(HOUR)
    assert {n for n, _ in news} == {0}, sorted(set(news))


def test_a_refused_one_that_max_per_poll_puts_off_stays_held(world: World) -> None:
    world.configure(max_per_poll=2)
    world.deliver(ONE)
    world.server.refused = {b"u1"}
    world.deliver(TWO)
    world.poll()
    held = [world.poll().report.held]
    world.deliver(*(recent(n) for n in range(3)))
    held += [world.poll().report.held for _ in range(3)]
    assert held == [{"refused": 1}] * 4


def test_messages_that_share_a_uidl_and_were_marked_as_seen_stay(world: World) -> None:
    world.deliver(ONE, TWO, THREE)
    world.server.listed_twice = {b"u1"}
    settle(world.mailbox, Way.MARK, world.context)
    for _ in range(3):
        world.poll()
    assert (world.stored(), len(world.server.mail)) == ([], 3)


def test_a_namesake_at_whose_deletion_the_session_ends_is_stored_once(world: World) -> None:
    world.deliver(ONE, TWO, THREE)
    world.server.listed_twice = {b"u1"}
    world.server.deletion_cut = {b"u2"}
    for _ in range(4):
        world.poll()
        world.clock.advance(HOUR)
    assert sorted(world.stored()) == sorted([ONE, TWO, THREE])


def test_what_is_moved_out_and_back_while_one_line_is_unusable_is_known(world: World) -> None:
    letters = kept(world, 3)
    world.server.unusable_lines = 1
    world.poll()
    (moved,) = move_out(world, b"u2")
    world.poll()
    world.deliver(moved)
    world.poll()
    assert world.stored() == letters


def test_what_left_the_server_leaves_the_quarantine_while_one_line_is_unusable(world: World) -> None:
    world.configure(leave_on_server=True)
    world.server.unusable_lines = 1
    world.deliver(ONE)
    world.server.refused = {b"u1"}
    for n in range(5):
        world.deliver(recent(n))
        world.poll()
        world.clock.advance(timedelta(hours=13))
    assert world.report().quarantined == 1
    move_out(world, b"u1")
    world.poll()
    assert world.report().quarantined == 0


def test_new_mail_comes_though_very_much_is_marked_as_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailsluice.policy.plan.MOST_MESSAGES", 4)
    world.deliver(*(recent(n) for n in range(6)))
    settle(world.mailbox, Way.MARK, world.context)
    new = recent(0, hour=22)
    world.deliver(new)
    for _ in range(5):
        world.poll()
        world.pass_days(1)
    assert world.stored() == [new]


def test_one_hiccup_is_not_held_against_a_server_with_several_sessions(world: World) -> None:
    world.configure(connections=3)
    world.deliver(*(recent(n) for n in range(60)))
    world.server.quit_fails = ConnectionLost("gone", phase=Phase.QUIT)
    world.poll()
    world.server.quit_fails = None
    assert world.outcome() == ("ok", 0)


def test_one_that_is_undeletable_and_then_refused_counts_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE, TWO, THREE)
    world.server.deletion_cut = {b"u2"}
    world.poll()
    world.server.deletion_cut = set()
    usual = FakeClient.delete
    refused: dict[FakeClient, int] = {}

    def delete(self: FakeClient, permits: object) -> None:
        mine = [p for p in permits if p.uidl == b"u2"]  # type: ignore[attr-defined]
        refused[self] = refused.get(self, 0) + len(mine)
        usual(self, [p for p in permits if p not in mine])  # type: ignore[attr-defined]

    monkeypatch.setattr(FakeClient, "delete", delete)
    monkeypatch.setattr(FakeClient, "undeleted", property(lambda self: refused.get(self, 0)))
    assert world.poll().report.held == {"undeletable": 1}


def test_a_server_that_deletes_nothing_holds_them_in_sight(world: World) -> None:
    world.deliver(ONE, TWO)
    world.server.deletes = False
    held = [world.poll().report.held for _ in range(4)]
    assert held[-1] == {"undeletable": 2}


def test_a_login_delay_does_not_starve_what_a_broken_line_interrupted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE, TWO)
    world.server.cut = {b"u1"}
    usual, last = FakeClient.authenticate, [-1e9]

    def authenticate(self: FakeClient, *rest: object) -> None:
        if world.clock.monotonic() - last[0] < 60:
            raise LoginRefused("no", phase=Phase.AUTH, reply="[LOGIN-DELAY] 60 seconds")
        last[0] = world.clock.monotonic()
        usual(self, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeClient, "authenticate", authenticate)
    for _ in range(48):
        world.poll()
        world.clock.advance(HOUR)
    assert sorted(world.stored()) == sorted([ONE, TWO])


def test_one_that_always_breaks_apart_does_not_starve_another(world: World) -> None:
    """Without TOP, and without other mail."""
    world.server.headers_refused = True
    world.deliver(ONE, TWO)
    world.server.cut = {b"u1"}
    world.poll()
    world.server.cut = {b"u1", b"u2"}
    world.poll()
    for _ in range(48):
        world.server.cut = {b"u1"}
        world.poll()
        world.clock.advance(HOUR)
    assert world.stored() == [TWO]


def test_what_is_due_is_deleted_or_held_though_one_header_is_never_told(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(*BARE, ONE)
    world.poll()
    world.server.substituted = {b"u4"}
    world.configure(leave_on_server=False)
    polled = world.poll()
    for _ in range(4):
        world.pass_days(1)
        polled = world.poll()
    assert (list(world.server.mail), polled.report.held) in [
        ([b"u4"], {"unclear": 1}),
        ([b"u1", b"u2", b"u3", b"u4"], {"unclear": 4}),
    ]


def test_what_is_due_is_held_while_sizes_are_not_told(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(*BARE)
    world.poll()
    world.configure(leave_on_server=False)
    world.server.gives_sizes = False
    polled = [world.poll() for _ in range(3)][-1]
    assert world.server.mail == {} or polled.report.held == {"unclear": 3}


def test_what_is_due_and_larger_than_max_message_now_is_deleted_or_held_without_top(world: World) -> None:
    world.configure(leave_on_server=True)
    world.server.has_top, world.server.headers_refused = False, True
    world.deliver(ONE, BIG)
    world.poll()
    world.configure(leave_on_server=False, max_message="1KiB")
    polled = [world.poll() for _ in range(3)][-1]
    assert world.server.mail == {} or polled.report.held


def test_uidls_that_moved_on_by_two_store_nothing_twice(world: World) -> None:
    letters = kept(world, 6)
    world.server.mail = {b"u%d" % (n + 3): mail for n, mail in enumerate(letters)}
    world.server.sizes = {uidl: 1000 + n for n, uidl in enumerate(world.server.mail)}
    for _ in range(5):
        world.poll()
    assert world.stored() == letters


def test_what_is_recognised_leaves_the_quarantine(world: World) -> None:
    letters = kept(world, 3)
    (moved,) = move_out(world, b"u2")
    world.poll()
    (back,) = world.deliver(moved)
    world.server.refused = {back}
    for n in range(5):
        world.deliver(recent(n, hour=22))
        world.poll()
        world.clock.advance(timedelta(hours=13))
    assert world.report().quarantined == 1
    world.server.refused = set()
    world.pass_days(2)
    world.poll()
    world.poll()
    assert len(world.stored()) == len(letters) + 5
    assert world.report().held == {}
    assert world.report().quarantined == 0
