"""Days with several rare things at once: nothing is lost, stored twice, starved, or held out of sight."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mailsluice.errors import CommandRefused, ConnectionLost, LoginRefused, Phase
from mailsluice.session.seen import Way, settle
from session.fakes import FakeClient
from session.test_ordinary_days import BARE
from session.test_rarer_days import one_uidl_for_all
from session.test_returning import kept, move_out, recent, renumber
from session.world import BIG, ONE, THREE, TWO, World

HOUR = timedelta(hours=1)


def test_namesakes_with_one_header_age_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one_uidl_for_all(monkeypatch)
    world.configure(leave_on_server="7d")
    world.deliver(*BARE)
    polled = world.poll()
    for _ in range(39):
        world.pass_days(1)
        polled = world.poll()
    assert len(world.stored()) == 3
    assert polled.report.held == {"unclear": 3}


def test_copies_of_one_mail_under_one_uidl_age_once(world: World) -> None:
    world.configure(leave_on_server="7d")
    world.deliver(ONE, ONE)
    world.server.listed_twice = {b"u1"}
    polled = world.poll()
    for _ in range(39):
        world.pass_days(1)
        polled = world.poll()
    assert len(world.stored()) == 2
    assert polled.report.held == {"unclear": 2}


def test_copies_under_one_uidl_on_a_server_that_deletes_nothing_are_stored_once(world: World) -> None:
    world.deliver(ONE, ONE)
    world.server.listed_twice = {b"u1"}
    world.server.deletes = False
    for _ in range(10):
        world.poll()
    assert len(world.stored()) == 2


def test_a_copy_at_whose_deletion_the_session_ends_is_stored_once(world: World) -> None:
    world.deliver(ONE, ONE, THREE)
    world.server.listed_twice = {b"u1"}
    world.server.deletion_cut = {b"u2"}
    for _ in range(48):
        world.poll()
        world.clock.advance(HOUR)
    assert len(world.stored()) == 3


@pytest.mark.parametrize(
    ("count", "words"),
    [(10, "corrupt"), (11, "corrupt"), (12, "corrupt"), (2, "[SYS/TEMP] x"), (2, "Server Unavailable. 21")],
)
def test_permanently_refused_beside_daily_mail_are_held(world: World, count: int, words: str) -> None:
    world.server.refused = set(world.deliver(*(recent(n) for n in range(count))))
    world.server.refused_with = words
    held = []
    for n in range(20):
        world.deliver(recent(n, hour=20))
        world.poll()
        held.append(world.report().held)
        world.pass_days(1)
    assert held[-1] == {"quarantined": count}, held


def test_one_that_breaks_does_not_keep_another_from_being_held(world: World) -> None:
    world.deliver(ONE, TWO)
    world.server.refused, world.server.refused_with = {b"u2"}, "[SYS/TEMP] x"
    held = []
    for n in range(20):
        world.server.cut = {b"u1"}
        world.deliver(recent(n, hour=20))
        world.poll()
        held.append(world.report().held)
        world.clock.advance(7 * HOUR)
    assert held[-1] == {"quarantined": 2}, held


def test_one_whose_deletion_is_refused_counts_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = FakeClient.delete
    refused: dict[FakeClient, int] = {}

    def delete(self: FakeClient, permits: Any) -> None:
        mine = [p for p in permits if p.uidl == b"u2"]
        refused[self] = refused.get(self, 0) + len(mine)
        usual(self, [p for p in permits if p not in mine])

    monkeypatch.setattr(FakeClient, "delete", delete)
    monkeypatch.setattr(FakeClient, "undeleted", property(lambda self: refused.get(self, 0)))
    world.deliver(ONE, TWO, THREE)
    held = []
    for n in range(6):
        world.deliver(recent(n, hour=20))
        polled = world.poll()
        held.append((polled.report.outcome, polled.report.held))
        world.clock.advance(HOUR)
    assert all(h == {"undeletable": 1} for _, h in held), held


def test_reuse_is_told_though_headers_were_refused_for_one_poll(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(ONE, BARE[0])
    world.poll()
    other = BARE[1]
    assert len(other) == len(BARE[0])
    world.server.mail = {b"u1": THREE + b"longer", b"u2": other}
    world.server.headers_refused = True
    world.poll()
    world.server.headers_refused = False
    world.configure(leave_on_server=False)
    for _ in range(3):
        world.poll()
    assert other in world.stored() or other in world.server.mail.values()


def test_reuse_is_told_though_the_first_session_was_killed(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(ONE, BARE[0])
    world.poll()
    other = BARE[1]
    world.server.mail = {b"u1": THREE + b"longer", b"u2": other}
    world.configure(leave_on_server=False)

    def die(_: bytes) -> None:
        raise KeyboardInterrupt

    world.server.on_top = die
    with pytest.raises(KeyboardInterrupt):
        world.poll()
    world.server.on_top = lambda _: None
    for _ in range(3):
        world.poll()
    assert other in world.stored() or other in world.server.mail.values()


@pytest.mark.parametrize("leave", [True, "30d"])
def test_what_comes_back_into_the_window_is_stored_once(
    world: World, monkeypatch: pytest.MonkeyPatch, leave: object
) -> None:
    monkeypatch.setattr("mailsluice.policy.plan.MOST_MESSAGES", 4)
    world.configure(leave_on_server=leave)
    letters = [*BARE, recent(1)]
    world.deliver(*letters)
    world.poll()
    new = [recent(n) for n in (2, 3)]
    world.deliver(*new)
    world.poll()
    world.poll()
    move_out(world, b"u4", b"u5")  # a clerk tidies
    for _ in range(3):
        world.poll()
    assert sorted(world.stored()) == sorted([*letters, *new])


@pytest.mark.parametrize("how", ["unusable", "beyond"])
def test_a_listing_that_is_not_whole_is_quiet(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    kept(world, 6)
    if how == "unusable":
        world.server.unusable_lines = 1
        move_out(world, b"u1")
    else:
        monkeypatch.setattr("mailsluice.policy.plan.MOST_MESSAGES", 4)
    world.poll()
    world.poll()
    before = world.ledger.messages.commits(world.mailbox.key)
    world.server.said.clear()
    world.poll()
    assert world.ledger.messages.commits(world.mailbox.key) == before
    assert world.server.said == ["CONNECT", "AUTH", "UIDL", "QUIT"]


@pytest.mark.parametrize("days", [2, 40])
def test_mail_marked_as_seen_long_or_shortly_before_a_move_stays(world: World, days: int) -> None:
    world.server.has_top, world.server.headers_refused = False, True
    world.deliver(*(recent(n) for n in range(5)))
    settle(world.mailbox, Way.MARK, world.context)
    for _ in range(days):
        world.poll()
        world.pass_days(1)
    world.ledger.reports.flush()
    world.configure(host="pop.other.example")
    renumber(world)
    polled = [world.poll() for _ in range(3)][-1]
    assert (world.stored(), len(world.server.mail)) == ([], 5), polled.report


def test_an_older_host_does_not_stand_for_the_last_one(world: World) -> None:
    world.configure(leave_on_server=True, host="a.example")
    world.deliver(THREE)
    world.poll()
    world.server.mail = {}
    world.poll()  # filed away
    a = world.mailbox.key
    world.configure(leave_on_server=True, host="b.example")
    world.live = {a: world.mailbox}
    letters = [recent(n) for n in range(4)]
    world.deliver(*letters)
    world.poll()
    world.live = {}
    world.configure(leave_on_server=True, host="c.example")
    renumber(world)
    for _ in range(2):
        world.poll()
    assert sorted(world.stored()) == sorted([THREE, *letters])


@pytest.mark.parametrize("top", [True, False])
def test_adopt_while_headers_are_not_told_stores_nothing_twice(world: World, top: bool) -> None:
    letters = kept(world, 3)
    renumber(world)
    world.server.has_top, world.server.headers_refused = top, True
    settle(world.mailbox, Way.ADOPT, world.context)
    world.poll()
    assert world.stored() == letters


def test_deletions_go_on_though_the_door_is_closed_to_a_second_session(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, last = FakeClient.authenticate, [-1e9]

    def authenticate(self: FakeClient, *rest: Any) -> None:
        if world.clock.monotonic() - last[0] < 60:
            raise LoginRefused("no", phase=Phase.AUTH, reply="[LOGIN-DELAY] 60 seconds")
        last[0] = world.clock.monotonic()
        usual(self, *rest)

    monkeypatch.setattr(FakeClient, "authenticate", authenticate)
    world.deliver(ONE)
    held, left = [], []
    for n in range(40):
        world.server.cut = {b"u1"}
        world.deliver(recent(n, hour=20))
        world.poll()
        held.append(world.report().held)
        left.append(len(world.server.mail))
        world.clock.advance(HOUR)
    assert max(left) <= 4, left
    assert held[-1] == {"quarantined": 1}, held
    assert {} not in held, held


def test_a_count_falls_though_a_further_failure_goes_on(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(ONE, TWO, BIG)
    world.configure(leave_on_server=True, max_message="1KiB")
    world.poll()
    assert world.report().held == {"too-large": 1}
    world.configure(leave_on_server=True)
    world.server.quit_fails = CommandRefused("x", phase=Phase.QUIT)
    world.poll()
    assert world.report().held == {}


def test_what_is_held_is_counted_after_an_error_of_the_sink(world: World) -> None:
    world.deliver(ONE, TWO)
    world.server.quit_fails = ConnectionLost("x", phase=Phase.QUIT)
    for _ in range(4):
        world.poll()
        world.clock.advance(HOUR)
    world.server.quit_fails = None
    world.poll()
    world.poll()
    assert world.report().held == {}
    assert sorted(world.stored()) == sorted([ONE, TWO])


def test_a_resent_mail_is_stored_again_though_an_extra_session_deleted_and_the_main_one_broke(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clerk restores a deleted mail from the bin: the same octets, a new UIDL."""
    world.configure(connections=3)
    letters = [recent(n) for n in range(60)]
    world.deliver(*letters)
    world.server.cut = {b"u1"}
    world.poll()
    gone = [each for n, each in enumerate(letters, 1) if b"u%d" % n not in world.server.mail]
    for _ in range(2):
        world.poll()
        world.clock.advance(HOUR)
    assert len(world.stored()) == 60
    world.deliver(*(gone or letters)[:1])
    for _ in range(3):
        world.poll()
    assert len(world.stored()) == 61
    assert not world.server.mail


def test_a_throttled_day_sets_nothing_aside(world: World) -> None:
    world.server.refused_with = "Server Unavailable. 21"
    most = 0
    for n in range(30 * 6):
        if n % 6 == 0:
            world.deliver(recent(n // 6 % 60, hour=20))
        world.server.refused = set(world.server.mail)
        if n % 6 == 5:  # one gets through now and then
            world.server.refused = set(list(world.server.mail)[1:])
        world.poll()
        most = max(most, world.report().quarantined)
        world.clock.advance(timedelta(minutes=10))
    assert most == 0


def test_what_a_listing_tells_is_counted_anew_in_a_session_that_breaks(world: World) -> None:
    """Each poll of a mailbox with one that breaks each time; what was too large was moved away."""
    world.configure(leave_on_server=True, max_message="1KiB")
    (big,) = world.deliver(BIG)
    world.deliver(ONE)
    world.poll()
    assert world.report().held == {"too-large": 1}
    seen = []
    del world.server.mail[big]
    for n in range(5):
        (new,) = world.deliver(recent(n, hour=20))
        world.server.cut = {new}
        world.poll()
        seen.append(world.report().held)
        world.clock.advance(HOUR)
    assert "too-large" not in seen[-1], seen
