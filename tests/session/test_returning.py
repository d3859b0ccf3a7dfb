"""New messages that are stored ones: moved out and back, or in a mailbox that was renumbered."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailsluice.failure import Why
from mailsluice.model import State
from mailsluice.obs import events
from mailsluice.session import sifting
from mailsluice.session.seen import Settled, Way, settle
from session.test_takeover import letter
from session.world import World


def kept(world: World, count: int) -> list[bytes]:
    """A mailbox that keeps its mail, with so many letters of the last hours stored."""
    world.configure(leave_on_server=True)
    letters = [recent(n) for n in range(count)]
    world.deliver(*letters)
    assert world.outcome() == ("ok", 0)
    return letters


def recent(number: int, *, hour: int = 8) -> bytes:
    """One that came before the first poll; with an hour of 13 and later, after it."""
    return letter(number % 60).replace(b"Mon, 1 Jun 2026 08", b"Sun, 1 Mar 2026 %02d" % (hour - number // 60))


def renumber(world: World) -> None:
    world.server.mail = {
        b"n%03d-" % n + uidl: mail for n, (uidl, mail) in enumerate(world.server.mail.items())
    }


def move_out(world: World, *uidls: bytes) -> list[bytes]:
    return [world.server.mail.pop(uidl) for uidl in uidls]


def states(world: World) -> list[State]:
    return [row.state for row in world.ledger.messages.known(world.mailbox.key).values()]


def asked(world: World, command: str) -> int:
    return sum(said.startswith(command) for said in world.server.said)


def test_a_message_that_was_moved_out_and_back_is_not_stored_again(world: World) -> None:
    letters = kept(world, 3)
    (moved,) = move_out(world, b"u2")
    assert world.outcome() == ("ok", 0)
    world.deliver(moved)

    assert world.outcome() == ("ok", 0)

    assert world.stored() == letters
    assert states(world) == [State.STORED] * 3
    (event,) = world.logged(events.MESSAGES_RETURNED)
    assert event["messages"] == 1
    assert world.poll().report.waiting == 0


@pytest.mark.parametrize("count", [1, 6, 64])
def test_a_renumbered_mailbox_goes_on_and_stores_nothing_twice(world: World, count: int) -> None:
    letters = kept(world, count)
    renumber(world)

    polled = world.poll()

    assert (polled.report.outcome, polled.report.waiting) == ("ok", 0)
    assert world.stored() == letters
    assert states(world) == [State.STORED] * count
    assert world.outcome() == ("ok", 0)
    assert asked(world, "TOP") == 0


def test_many_are_asked_for_their_headers_and_only_new_ones_are_fetched(world: World) -> None:
    letters = kept(world, 100)
    renumber(world)
    new = recent(59, hour=22)
    world.deliver(new)
    world.server.said.clear()

    polled = world.poll()

    assert (polled.report.outcome, polled.report.waiting) == ("ok", 0)
    assert world.stored() == [*letters, new]
    assert asked(world, "TOP") == 101
    assert asked(world, "RETR") == 1


def test_what_there_is_no_time_for_waits_for_the_next_poll(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = kept(world, 150)
    renumber(world)
    monkeypatch.setattr(sifting, "SECONDS", 1.0)
    world.server.on_top = lambda _: world.clock.advance(timedelta(seconds=0.1))

    waiting = [world.poll().report.waiting for _ in range(3)]

    assert waiting == [86, 22, 0]
    assert world.stored() == letters


def test_an_emptied_inbox_and_five_new_messages_are_an_ordinary_day(world: World) -> None:
    letters = kept(world, 5)
    world.server.mail = {}
    world.poll()
    new = [recent(n, hour=22) for n in range(5)]
    world.deliver(*new)

    assert world.outcome() == ("ok", 0)

    assert world.stored() == [*letters, *new]


def test_a_mailbox_that_keeps_its_mail_from_now_on_is_an_ordinary_day(world: World) -> None:
    first = [recent(n) for n in range(8)]
    world.deliver(*first)
    world.poll()
    world.poll()
    world.configure(leave_on_server=True)
    more = [recent(n, hour=22) for n in range(8)]
    world.deliver(*more)

    assert world.outcome() == ("ok", 0)

    assert world.stored() == [*first, *more]


def test_a_message_that_we_deleted_is_stored_again_when_it_is_sent_again(world: World) -> None:
    world.deliver(letter(1))
    world.poll()
    world.poll()
    world.deliver(letter(1))
    world.poll()
    assert world.stored() == [letter(1)] * 2


def test_so_is_one_that_was_deleted_late(world: World) -> None:
    kept(world, 1)
    world.configure(leave_on_server=False)
    world.poll()
    world.poll()
    world.deliver(recent(0))
    world.poll()
    assert world.stored() == [recent(0)] * 2


def test_two_copies_of_which_both_were_stored_tell_nothing_and_are_stored_again(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(recent(1), recent(1))
    world.poll()
    renumber(world)
    world.poll()
    assert len(world.stored()) == 4


def test_what_is_marked_as_seen_stays_so_under_its_new_uidl(world: World) -> None:
    world.configure(leave_on_server=False)
    world.deliver(*(recent(n) for n in range(5)))
    settle(world.mailbox, Way.MARK, world.context)
    world.poll()
    renumber(world)

    assert world.outcome() == ("ok", 0)

    assert world.stored() == []
    assert states(world) == [State.SEEN] * 5
    assert len(world.server.mail) == 5


def test_uidls_that_moved_on_by_one_are_sorted_out(world: World) -> None:
    letters = kept(world, 5)
    uidls = [*list(world.server.mail)[1:], b"u1"]
    world.server.mail = dict(zip(uidls, letters, strict=True))
    world.server.sizes = {uidl: 1000 + n for n, uidl in enumerate(uidls)}

    for _ in range(2):
        assert world.outcome() == ("ok", 0)

    assert world.stored() == letters


class TestNameless:
    """Most of what is known has vanished, and nothing is noted that it would be known again by."""

    @pytest.fixture(autouse=True)
    def nameless(self, world: World) -> None:
        self.letters = kept(world, 6)
        with world.ledger._database.writing() as connection:
            connection.execute("UPDATE message SET identity = x''")
        world.report()
        renumber(world)

    def test_old_mail_is_held_and_new_mail_is_fetched(self, world: World) -> None:
        new = recent(1, hour=22)
        world.deliver(new)

        world.poll()

        assert world.stored() == [*self.letters, new]
        held = world.ledger.failures.read(world.mailbox.key)
        assert [failure.kind for failure in held.values()] == [Why.UNRECOGNISED] * 6
        assert len(world.logged(events.MESSAGE_UNRECOGNISED)) == 6

    def test_it_is_looked_at_again_after_a_day_and_not_before(self, world: World) -> None:
        for _ in range(3):
            world.poll()
        assert asked(world, "RETR n") == 6
        world.pass_days(1)
        world.poll()
        assert asked(world, "RETR n") == 12
        assert world.stored() == self.letters

    @pytest.mark.parametrize(("way", "copies"), [(Way.FETCH, 2), (Way.MARK, 1)])
    def test_an_administrator_settles_it(self, world: World, way: Way, copies: int) -> None:
        world.poll()
        settle(world.mailbox, way, world.context)
        assert world.outcome() == ("ok", 0)
        assert len(world.stored()) == 6 * copies
        assert world.ledger.failures.read(world.mailbox.key) == {}

    def test_adopting_cannot_tell_either_and_takes_them_for_new(self, world: World) -> None:
        world.poll()
        assert settle(world.mailbox, Way.ADOPT, world.context) == Settled(new=6)
        world.poll()
        assert len(world.stored()) == 12

    def test_mail_without_a_received_line_is_fetched(self, world: World) -> None:
        new = b"Subject: no server wrote a line\r\n\r\nx\r\n"
        world.deliver(new)
        world.poll()
        assert new in world.stored()
