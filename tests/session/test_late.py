"""What an earlier session stored: its header is asked before it is deleted, or where it is in doubt."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailsluice.errors import ConnectionLost, Phase
from mailsluice.model import State
from mailsluice.obs import events
from session.world import ONE, THREE, TWO, World

UNTOLD, OTHER_UNTOLD = (b"Subject: scan\r\nMessage-ID: <device@x>\r\n\r\nscan %d\r\n" % n for n in (1, 2))
"""Two scans of a device with one Message-ID, no date and no Received line: nothing tells them apart."""


@pytest.fixture
def kept(world: World) -> World:
    """A mailbox with three messages stored and kept, which deletes from now on."""
    world.configure(leave_on_server=True)
    world.deliver(ONE, TWO, THREE)
    assert world.outcome() == ("ok", 0)
    world.configure(leave_on_server=False)
    world.server.said.clear()
    return world


def replace(world: World, *messages: bytes) -> None:
    """The mailbox is made anew: new messages under the old UIDLs, of the old sizes."""
    for number, message in enumerate(messages, 1):
        uidl = b"u%d" % number
        world.server.sizes.setdefault(uidl, len(world.server.mail[uidl]))
        world.server.mail[uidl] = message


def stranger(number: int) -> bytes:
    return b"Subject: new\r\nReceived: by a; Tue, 2 Jun 2026 08:00:0%d +0000\r\n\r\nnew %d\r\n" % (
        number,
        number,
    )


def test_a_late_deletion_asks_for_the_header_first(kept: World) -> None:
    assert kept.outcome() == ("ok", 0)
    asked = ["TOP u1", "TOP u2", "TOP u3"]
    assert kept.server.said == ["CONNECT", "AUTH", "UIDL", *asked, "DELE u1", "DELE u2", "DELE u3", "QUIT"]
    assert kept.server.mail == {}


def test_new_mail_of_a_mailbox_made_anew_is_not_deleted_unread_for_its_namesakes(kept: World) -> None:
    new = [stranger(n) for n in (1, 2, 3)]
    replace(kept, *new)

    assert kept.outcome() == ("ok", 0)

    assert kept.stored() == [ONE, TWO, THREE, *new]
    assert kept.server.mail == {}
    assert [entry["uidl"] for entry in kept.logged(events.UIDL_REUSED)] == ["u1", "u2", "u3"]


def test_where_one_uidl_means_another_message_all_of_the_mailbox_are_in_doubt(world: World) -> None:
    world.configure(leave_on_server="30d")
    world.deliver(ONE, TWO)
    world.poll()
    world.pass_days(31)
    world.deliver(THREE)
    world.poll()
    replace_first = stranger(1)
    world.server.mail = {b"u1": replace_first, b"u3": stranger(3)}
    world.server.sizes = {b"u1": len(ONE), b"u3": len(THREE)}
    world.poll()
    world.poll()
    assert world.stored() == [ONE, TWO, THREE, replace_first, stranger(3)]


def test_a_header_with_nothing_to_tell_by_leaves_it_to_uidl_and_size(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(UNTOLD)
    world.poll()
    world.configure(leave_on_server=False)
    assert world.outcome() == ("ok", 0)
    assert world.server.mail == {}
    assert world.stored() == [UNTOLD]


@pytest.mark.parametrize("sized", [True, False])
def test_after_a_gap_nothing_tells_and_the_message_comes_twice_rather_than_never(
    world: World, sized: bool
) -> None:
    world.deliver(UNTOLD)
    world.poll()
    world.poll()
    world.server.gives_sizes = sized
    world.server.mail[b"u1"] = OTHER_UNTOLD

    assert world.outcome() == ("ok", 0)

    assert world.stored() == [UNTOLD, OTHER_UNTOLD]
    (event,) = world.logged(events.MESSAGE_UNDECIDED)
    assert event["uidl"] == "u1"


def test_an_identity_that_the_mailbox_had_twice_proves_nothing(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(ONE, ONE)
    world.poll()
    before = dict(world.server.mail)
    world.server.mail = {}
    world.poll()
    world.server.mail = before

    world.poll()

    assert world.stored() == [ONE] * 4
    assert len(world.logged(events.MESSAGE_UNDECIDED)) == 2


@pytest.mark.parametrize("leave", [True, False])
def test_sizes_that_are_told_anew_hold_nothing_up(kept: World, leave: bool) -> None:
    kept.configure(leave_on_server=leave)
    kept.server.sizes = {uidl: len(octets) * 107 // 100 for uidl, octets in kept.server.mail.items()}

    assert [kept.outcome() for _ in range(3)] == [("ok", 0)] * 3

    assert kept.stored() == [ONE, TWO, THREE]
    assert len(kept.server.mail) == (3 if leave else 0)
    assert kept.server.count("TOP u1") == 1


def test_a_refused_header_decides_nothing_and_is_asked_again_at_the_next_poll(kept: World) -> None:
    kept.server.headers_refused = True
    assert kept.outcome() == ("messages-refused", 75)
    assert len(kept.server.mail) == 3
    assert len(kept.logged(events.HEADER_REFUSED)) == 3
    assert kept.stored() == [ONE, TWO, THREE]

    kept.server.headers_refused = False
    assert kept.outcome() == ("ok", 0)
    assert kept.server.mail == {}


def test_a_notice_in_the_place_of_a_header_decides_nothing(kept: World) -> None:
    kept.server.substituted = {b"u2"}
    assert kept.outcome() == ("messages-refused", 75)
    assert kept.server.mail == {b"u2": TWO}
    assert kept.stored() == [ONE, TWO, THREE]

    kept.server.substituted = set()
    kept.poll()
    assert kept.server.mail == {}


class TestWithoutTop:
    @pytest.fixture(autouse=True)
    def without_top(self, kept: World) -> None:
        kept.server.has_top = False
        kept.server.headers_refused = True

    def test_the_header_of_what_is_fetched_decides_before_anything_is_published(self, kept: World) -> None:
        assert kept.outcome() == ("ok", 0)
        assert kept.server.mail == {}
        assert kept.stored() == [ONE, TWO, THREE]
        assert kept.staged() == []
        assert kept.report().last is not None
        assert kept.report().last.waiting == 0  # type: ignore[union-attr]  # as just asserted

    def test_another_message_is_stored_and_only_then_deleted(self, kept: World) -> None:
        replace(kept, stranger(1))
        assert kept.outcome() == ("ok", 0)
        assert kept.stored() == [ONE, TWO, THREE, stranger(1)]
        assert kept.server.mail == {}

    def test_a_notice_in_the_place_of_a_message_decides_nothing(self, kept: World) -> None:
        kept.server.substituted = {b"u2"}
        kept.poll()
        assert kept.server.mail == {b"u2": TWO}
        assert kept.stored() == [ONE, TWO, THREE]


def test_a_header_that_ends_the_session_is_not_asked_again_for_a_day(kept: World) -> None:
    kept.server.headers_cut = {b"u1"}
    assert kept.outcome() == ("connection-lost", 75)
    assert kept.outcome() == ("ok", 0)
    assert kept.server.mail == {b"u1": ONE}

    kept.clock.advance(timedelta(days=1))
    kept.server.headers_cut = set()
    assert kept.outcome() == ("ok", 0)
    assert kept.server.mail == {}


def test_new_mail_comes_before_headers_are_asked(kept: World) -> None:
    four = stranger(4)
    kept.deliver(four)
    kept.server.headers_cut = {b"u1"}
    kept.poll()
    assert kept.stored() == [ONE, TWO, THREE, four]


def test_headers_are_asked_for_five_minutes_of_a_poll_and_the_next_goes_on(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(*(stranger(n % 10) + b"%d\r\n" % n for n in range(200)))
    world.poll()
    world.configure(leave_on_server=False)
    world.server.on_top = lambda _: world.clock.advance(timedelta(seconds=3))

    world.poll()
    after_one = len(world.server.mail)
    world.poll()

    assert 0 < after_one < 200
    assert len(world.server.mail) < after_one


def test_a_message_found_to_be_another_one_and_too_large_is_reported_and_stays(kept: World) -> None:
    kept.configure(leave_on_server=False, max_message=100)
    big = stranger(1) + b"x" * 200
    kept.server.mail[b"u1"] = big
    kept.poll()
    assert kept.server.mail == {b"u1": big}
    assert len(kept.logged(events.MESSAGE_OVERSIZE)) == 1


def test_no_answer_to_quit_costs_one_header_and_no_copy(world: World) -> None:
    world.deliver(ONE)
    world.server.quit_fails = ConnectionLost("gone", phase=Phase.QUIT)
    world.poll()
    world.server.quit_fails = None
    world.poll()
    assert world.server.count("TOP u1") == 1
    assert world.stored() == [ONE]
    assert world.server.mail == {}


class TestSubstitute:
    @pytest.fixture
    def held(self, world: World) -> World:
        """A message that the server cannot render, between two that it can."""
        world.deliver(ONE, TWO, THREE)
        world.server.substituted = {b"u2"}
        assert world.outcome() == ("ok", 0)
        return world

    def test_a_notice_is_not_stored_and_its_message_not_deleted(self, held: World) -> None:
        assert held.stored() == [ONE, THREE]
        assert held.server.mail == {b"u2": TWO}
        (event,) = held.logged(events.MESSAGE_SUBSTITUTED)
        assert event["uidl"] == "u2"
        assert held.staged() == []

    def test_its_text_is_kept_for_people(self, held: World) -> None:
        failure = held.ledger.failures.read(held.mailbox.key)[b"u2"]
        assert failure.quarantined
        assert b"The message hasn't been deleted" in (failure.header or b"")

    def test_it_is_asked_for_once_a_day(self, held: World) -> None:
        held.poll()
        held.poll()
        assert held.server.count("RETR u2") == 1
        held.clock.advance(timedelta(days=1))
        held.poll()
        held.poll()
        assert held.server.count("RETR u2") == 2

    def test_once_the_server_can_render_it_it_is_stored(self, held: World) -> None:
        held.server.substituted = set()
        held.clock.advance(timedelta(days=1))
        assert held.outcome() == ("ok", 0)
        assert held.stored() == [ONE, THREE, TWO]
        assert held.server.mail == {}
        assert held.ledger.failures.read(held.mailbox.key) == {}

    def test_taken_as_it_is_it_is_stored_and_the_message_stays_for_ever(self, held: World) -> None:
        held.ledger.failures.take(held.mailbox.key, [b"u2"])
        assert held.outcome() == ("ok", 0)
        assert len(held.stored()) == 3
        assert b"hasn't been deleted" in held.stored()[-1]
        held.server.substituted = set()
        for _ in range(3):
            held.clock.advance(timedelta(days=20))
            held.poll()
        assert held.server.mail == {b"u2": TWO}
        assert len(held.stored()) == 3
        assert held.ledger.messages.known(held.mailbox.key)[b"u2"].state is State.SEEN
