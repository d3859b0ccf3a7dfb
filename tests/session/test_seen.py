"""What an administrator says of the messages on the server, instead of fetching them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailsluice.errors import ConnectionLost, MailboxLocked
from mailsluice.ledger.messages import Messages
from mailsluice.model import State
from mailsluice.session.seen import Settled, Way, settle
from session.test_returning import recent
from session.world import World

LETTERS = [
    b"Message-ID: <%d@x>\r\nDate: Mon, 1 Jun 2026 10:00:0%d +0000\r\nFrom: ann@x\r\n\r\nletter %d\r\n"
    % (n, n, n)
    for n in range(6)
]


@pytest.fixture
def kept(world: World) -> World:
    world.configure(leave_on_server=True)
    world.deliver(*LETTERS)
    assert world.outcome() == ("ok", 0)
    return world


def renumber(world: World) -> None:
    world.server.mail = {b"new-" + uidl: octets for uidl, octets in world.server.mail.items()}


def states(world: World) -> dict[bytes, State]:
    return {uidl: known.state for uidl, known in world.ledger.messages.known(world.mailbox.key).items()}


def test_adopting_knows_the_messages_by_their_headers_and_the_next_poll_fetches_only_what_is_new(
    kept: World,
) -> None:
    renumber(kept)
    kept.deliver(b"Message-ID: <new@x>\r\nDate: Tue, 2 Jun 2026 10:00:00 +0000\r\nFrom: bob@x\r\n\r\nnew\r\n")

    assert settle(kept.mailbox, Way.ADOPT, kept.context) == Settled(adopted=6, new=1)
    assert kept.outcome() == ("ok", 0)
    assert len(kept.stored()) == len(LETTERS) + 1


def test_an_adopted_message_is_as_old_as_it_was(kept: World) -> None:
    kept.pass_days(20)
    renumber(kept)
    settle(kept.mailbox, Way.ADOPT, kept.context)
    kept.pass_days(11)
    kept.configure(leave_on_server="30d")
    kept.poll()

    assert kept.server.mail == {}


def test_adopting_where_new_numbers_are_old_ones_of_other_messages(kept: World) -> None:
    uidls = list(kept.server.mail)
    shifted = dict(zip([*uidls[1:], b"u99"], kept.server.mail.values(), strict=True))
    kept.server.mail = shifted
    kept.server.sizes = {uidl: 1000 + n for n, uidl in enumerate(shifted)}
    assert settle(kept.mailbox, Way.ADOPT, kept.context) == Settled(adopted=6)
    assert kept.outcome() == ("ok", 0)
    assert kept.stored() == LETTERS
    assert states(kept) == dict.fromkeys(shifted, State.STORED)


def test_two_copies_of_one_message_are_adopted_one_by_one(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(*LETTERS[:4], LETTERS[0], LETTERS[0])
    world.poll()
    renumber(world)

    assert settle(world.mailbox, Way.ADOPT, world.context) == Settled(adopted=6)
    assert world.outcome() == ("ok", 0)
    assert len(world.stored()) == 6


def test_what_has_no_telling_header_is_fetched_and_counted(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(*LETTERS[:4], b"Subject: a\r\n\r\na\r\n", b"Subject: b\r\n\r\nb\r\n")
    world.poll()
    renumber(world)

    assert settle(world.mailbox, Way.ADOPT, world.context) == Settled(adopted=4, unclear=2)
    assert world.outcome() == ("ok", 0)
    assert len(world.stored()) == 8


def test_a_server_without_headers_adopts_nothing_and_says_so(kept: World) -> None:
    renumber(kept)
    kept.server.headers_refused = True

    assert settle(kept.mailbox, Way.ADOPT, kept.context) == Settled(unclear=6)


def test_fetching_takes_everything_for_new(kept: World) -> None:
    renumber(kept)

    assert settle(kept.mailbox, Way.FETCH, kept.context) == Settled(new=6, gone=6)
    assert kept.outcome() == ("ok", 0)
    assert sorted(kept.stored()) == sorted(LETTERS * 2)


def test_marking_lets_the_messages_be_for_good(world: World) -> None:
    world.deliver(*LETTERS)
    assert settle(world.mailbox, Way.MARK, world.context) == Settled(marked=6)
    world.deliver(b"Subject: new\r\n\r\nnew\r\n")
    world.poll()
    world.pass_days(400)
    world.poll()

    assert world.stored() == [b"Subject: new\r\n\r\nnew\r\n"]
    assert list(world.server.mail.values()) == LETTERS


def test_what_is_marked_stays_marked_though_a_listing_lacks_it_for_a_while(world: World) -> None:
    world.deliver(*LETTERS)
    settle(world.mailbox, Way.MARK, world.context)
    before, world.server.mail = world.server.mail, {}
    world.poll()
    world.server.mail = before
    world.poll()

    assert world.stored() == []
    assert len(world.server.mail) == len(LETTERS)


def test_settling_waits_for_no_poll_that_runs(kept: World) -> None:
    with kept.ledger.leases.hold(kept.mailbox.key), pytest.raises(MailboxLocked):
        settle(kept.mailbox, Way.ADOPT, kept.context)


def test_settling_fetches_and_deletes_nothing(kept: World) -> None:
    renumber(kept)
    said = len(kept.server.said)
    settle(kept.mailbox, Way.ADOPT, kept.context)

    assert not [word for word in kept.server.said[said:] if word.startswith(("RETR", "DELE"))]


def test_a_mailbox_whose_mail_is_deleted_is_never_taken_for_renumbered(world: World) -> None:
    for _ in range(3):
        world.deliver(*LETTERS)
        assert world.outcome() == ("ok", 0)
        world.clock.advance(timedelta(minutes=1))


def test_what_an_interrupted_poll_left_half_done_is_adopted_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure(leave_on_server=True)
    world.deliver(*LETTERS)
    with monkeypatch.context() as patch:
        patch.setattr(Messages, "commit", lambda *_, **__: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            world.poll()
    renumber(world)

    assert settle(world.mailbox, Way.ADOPT, world.context) == Settled(adopted=6)
    assert world.outcome() == ("ok", 0)
    assert world.stored() == LETTERS


def test_what_was_too_large_is_marked_too(world: World) -> None:
    world.configure(max_message=20)
    world.deliver(*LETTERS)
    world.poll()
    assert settle(world.mailbox, Way.MARK, world.context) == Settled(marked=6)
    world.configure()
    world.poll()

    assert world.stored() == []


def test_what_is_stored_is_not_marked_and_follows_the_policy(kept: World) -> None:
    assert settle(kept.mailbox, Way.MARK, kept.context) == Settled(marked=0)
    kept.configure(leave_on_server=False)
    kept.poll()

    assert kept.server.mail == {}


def test_a_uidl_that_two_messages_have_is_left_to_the_polls(kept: World) -> None:
    renumber(kept)
    kept.server.listed_twice = {b"new-u1"}

    assert settle(kept.mailbox, Way.ADOPT, kept.context) == Settled(adopted=4)
    assert kept.outcome() == ("ok", 0)
    assert kept.stored() == LETTERS


def test_a_header_that_ends_the_session_is_passed_over(kept: World) -> None:
    renumber(kept)
    kept.server.headers_cut = {b"new-u2"}

    assert settle(kept.mailbox, Way.ADOPT, kept.context) == Settled(adopted=5, unclear=1)


def test_headers_that_end_every_session_are_no_way_on(kept: World) -> None:
    renumber(kept)
    kept.server.headers_cut = {b"new-u1", b"new-u2", b"new-u3"}

    with pytest.raises(ConnectionLost):
        settle(kept.mailbox, Way.ADOPT, kept.context)


def test_headers_for_which_one_session_is_too_short_come_in_several(kept: World) -> None:
    renumber(kept)
    kept.server.tired_after = 2

    assert settle(kept.mailbox, Way.ADOPT, kept.context) == Settled(adopted=6)


def test_a_message_under_the_uidl_of_one_too_large_is_adopted(world: World) -> None:
    world.configure(leave_on_server=True, max_message=200)
    world.deliver(*LETTERS, b"Subject: large\r\n\r\n" + b"x" * 500)
    world.poll()
    mails = list(world.server.mail.values())
    uidls = [b"u7", *(b"n%d" % n for n in range(2, 7)), b"n7"]
    world.server.mail = dict(zip(uidls, mails, strict=True))

    assert settle(world.mailbox, Way.ADOPT, world.context).adopted == 6
    world.poll()
    assert world.stored() == LETTERS


def test_what_adopting_cannot_tell_stays_held_and_is_neither_fetched_nor_deleted(world: World) -> None:
    world.server.headers_refused, world.server.has_top = True, False
    world.deliver(*(recent(n) for n in range(4)))
    settle(world.mailbox, Way.MARK, world.context)
    world.poll()
    world.report()
    renumber(world)
    assert world.poll().report.held == {"unrecognised": 4}
    world.report()
    assert settle(world.mailbox, Way.ADOPT, world.context) == Settled(unclear=4)
    for _ in range(3):
        assert world.poll().report.held == {"unrecognised": 4}
        world.report()
        world.pass_days(1)
    assert (world.stored(), len(world.server.mail)) == ([], 4)
