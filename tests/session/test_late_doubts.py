"""What headers that tell little, or that came twice, prove of what an earlier session stored."""

from __future__ import annotations

import pytest

from mailsluice.obs import events
from session.test_late import OTHER_UNTOLD, UNTOLD, kept, replace, stranger
from session.world import BIG, ONE, THREE, TWO, World

__all__ = ["kept"]


def test_new_mail_is_not_deleted_unread_where_its_namesake_came_twice(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(ONE, ONE)
    world.poll()
    new = [stranger(n) for n in (1, 2)]
    replace(world, *new)
    world.configure(leave_on_server=False)

    assert world.outcome() == ("ok", 0)

    assert world.stored() == [ONE, ONE, *new]


def test_a_message_that_was_moved_out_and_back_does_not_cover_for_its_namesake(world: World) -> None:
    world.configure(leave_on_server=True)
    (first,) = world.deliver(ONE)
    world.poll()
    del world.server.mail[first]
    world.poll()
    (again,) = world.deliver(ONE)
    world.poll()
    world.server.sizes[again] = len(ONE)
    world.server.mail[again] = stranger(1)
    world.configure(leave_on_server=False)

    assert world.outcome() == ("ok", 0)

    assert world.stored()[-1] == stranger(1)


def test_many_headers_that_are_refused_are_named_as_far_as_anybody_reads(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(*(stranger(n % 10) + b"%d\r\n" % n for n in range(40)))
    world.poll()
    world.configure(leave_on_server=False)
    world.server.headers_refused = True

    assert world.outcome() == ("messages-refused", 75)

    named = world.logged(events.HEADER_REFUSED)
    assert len(named) == 21
    assert named[-1]["more"] == 20
    assert {entry["reply"] for entry in named} == {"no TOP here"}


WEAK = [b"Message-ID: <%d@x>\r\nSubject: scan\r\n\r\nscan\r\n" % n for n in range(10)]
"""Neither a date nor a Received line: two that differ are two, two that are equal may be two."""


def test_headers_that_tell_little_still_tell_that_they_differ(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(*WEAK[:3])
    world.poll()
    replace(world, *WEAK[3:6])
    world.configure(leave_on_server=False)

    assert world.outcome() == ("ok", 0)

    assert world.stored() == WEAK[:6]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_where_one_uidl_means_another_message_no_other_is_believed_alone(world: World, place: int) -> None:
    world.configure(leave_on_server=True)
    world.deliver(UNTOLD, UNTOLD, UNTOLD)
    world.poll()
    new = [OTHER_UNTOLD] * 3
    new[place] = stranger(1)
    replace(world, *new)
    world.configure(leave_on_server=False)

    world.poll()
    assert len(world.stored()) == 4
    world.poll()

    assert sorted(world.stored()) == sorted([UNTOLD] * 3 + new)
    assert world.server.mail == {}


def test_another_size_without_an_absence_puts_every_uidl_in_doubt(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(ONE, TWO, THREE)
    world.poll()
    new = [stranger(n) for n in (1, 2, 3)]
    replace(world, *new)
    world.server.sizes[b"u2"] += 1

    for _ in range(2):
        assert world.outcome() == ("ok", 0)

    assert sorted(world.stored()) == sorted([ONE, TWO, THREE, *new])


@pytest.mark.parametrize("gives_sizes", [True, False])
def test_what_is_due_and_larger_than_max_message_by_now_holds_nothing_up(
    world: World, gives_sizes: bool
) -> None:
    world.server.has_top = False
    world.server.headers_refused = True
    world.server.gives_sizes = gives_sizes
    world.configure(leave_on_server=True)
    world.deliver(BIG, ONE)
    world.poll()
    world.configure(leave_on_server=False, max_message=1000)
    world.deliver(TWO)

    for _ in range(3):
        world.poll()

    assert list(world.server.mail.values()) == [BIG]
    assert world.stored() == [BIG, ONE, TWO]


@pytest.mark.parametrize("days", [1, 7])
def test_a_header_that_ends_sessions_is_asked_for_later_and_later(kept: World, days: int) -> None:
    kept.server.headers_cut = {b"u1"}
    for _ in range(12):
        kept.poll()
        kept.pass_days(days)
    assert list(kept.server.mail) == [b"u1"]
