"""The same mailbox under another name, and another mailbox that only looks like it."""

from __future__ import annotations

import pytest

from mailsluice.model import MailboxKey
from mailsluice.obs import events
from session.world import World, interrupted

RENAMED = {"host": "imap.acme.example", "leave_on_server": True}
ALIAS = {"address": "rechnungen@acme.example", "leave_on_server": True}


def letter(number: int, *, by: str = "a") -> bytes:
    """One with an hour of its own in its Received line, which the server `by` wrote."""
    return (
        b"Received: by %s; Mon, 1 Jun 2026 08:%02d:00 +0000\r\nMessage-ID: <%d@list>\r\n\r\nletter %02d\r\n"
        % (by.encode(), number, number, number)
    )


def kept(world: World, count: int) -> list[bytes]:
    world.configure(leave_on_server=True)
    letters = [letter(n) for n in range(count)]
    world.deliver(*letters)
    assert world.outcome() == ("ok", 0)
    return letters


@pytest.mark.parametrize("name", [RENAMED, ALIAS], ids=["host", "address"])
@pytest.mark.parametrize("count", [1, 7, 30])
def test_a_mailbox_under_another_name_goes_on_and_stores_nothing_twice(
    world: World, name: dict[str, object], count: int
) -> None:
    letters = kept(world, count)
    former = world.mailbox.key
    world.configure(**name)
    new = letter(59)
    world.deliver(new)

    assert world.outcome() == ("ok", 0)

    assert sorted(world.stored()) == sorted([*letters, new])
    (event,) = world.logged(events.MAILBOX_RENAMED)
    assert MailboxKey(event["former_host"], event["former_address"]) == former
    assert world.ledger.messages.known(former) == {}
    assert world.outcome() == ("ok", 0)
    assert len(world.logged(events.MAILBOX_RENAMED)) == 1


def test_no_more_headers_are_asked_for_than_it_takes(world: World) -> None:
    kept(world, 59)
    world.configure(**RENAMED)
    world.poll()
    assert sum(said.startswith("TOP") for said in world.server.said) == 20


def test_what_is_known_of_a_mailbox_that_is_configured_stays_with_that(world: World) -> None:
    letters = kept(world, 3)
    world.live = {world.mailbox.key: world.mailbox}
    world.configure(**ALIAS)
    world.poll()
    assert world.stored() == letters * 2
    assert world.logged(events.MAILBOX_RENAMED) == []


def test_two_mailboxes_that_one_list_feeds_are_two(world: World) -> None:
    kept(world, 7)
    world.server.mail = {uidl: letter(n, by="b") for n, uidl in enumerate(world.server.mail)}
    world.configure(**ALIAS)
    world.poll()
    assert world.logged(events.MAILBOX_RENAMED) == []
    assert len(world.stored()) == 14


def test_a_few_messages_of_many_that_are_known_again_are_not_enough(world: World) -> None:
    kept(world, 40)
    others = {uidl: letter(n, by="b") for n, uidl in enumerate(world.server.mail) if n >= 5}
    world.server.mail |= others
    world.configure(**ALIAS)
    world.poll()
    assert world.logged(events.MAILBOX_RENAMED) == []


def test_a_header_that_cannot_be_had_now_is_asked_again_before_anything_is_fetched(world: World) -> None:
    letters = kept(world, 3)
    world.configure(**RENAMED)
    world.server.headers_refused = True
    world.server.refused = set(world.server.mail)
    assert world.outcome() == ("command-refused", 75)
    assert world.stored() == letters
    world.server.headers_refused = False
    world.server.refused = set()
    assert world.outcome() == ("ok", 0)
    assert world.stored() == letters


def test_a_server_that_never_tells_a_header_though_it_could_is_asked_for_the_messages(world: World) -> None:
    letters = kept(world, 3)
    world.configure(**RENAMED)
    world.server.headers_refused = True
    assert world.outcome() == ("ok", 0)
    assert world.stored() == letters


def test_one_header_of_many_is_too_few(world: World) -> None:
    letters = kept(world, 5)
    world.configure(**RENAMED)
    world.server.substituted = {b"u1", b"u2", b"u3", b"u4"}
    assert world.outcome() == ("command-refused", 75)
    assert world.stored() == letters


@pytest.mark.parametrize("count", [3, 30])
def test_a_notice_in_the_place_of_a_message_says_nothing_against_the_others(world: World, count: int) -> None:
    letters = kept(world, count)
    world.configure(**RENAMED)
    world.server.substituted = {b"u%d" % count}

    assert world.outcome() == ("ok", 0)

    assert len(world.logged(events.MAILBOX_RENAMED)) == 1
    assert world.stored() == letters


@pytest.mark.parametrize("count", [5, 30])
def test_without_top_the_messages_themselves_tell_before_anything_is_stored(world: World, count: int) -> None:
    letters = kept(world, count)
    world.configure(**RENAMED)
    world.server.has_top = False
    world.server.headers_refused = True

    assert world.outcome() == ("ok", 0)

    assert world.stored() == letters
    assert sum(said.startswith("RETR") for said in world.server.said) == count + min(count, 20)


def test_a_message_that_ends_the_session_when_it_is_asked_for_is_passed_over_at_the_next(
    world: World,
) -> None:
    letters = kept(world, 30)
    world.configure(**RENAMED)
    world.server.headers_cut = {b"u30"}
    world.deliver(letter(50))

    assert world.outcome() == ("connection-lost", 75)
    assert world.outcome() == ("ok", 0)

    assert world.stored() == [*letters, letter(50)]


def test_half_done_messages_of_the_former_name_are_finished(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = kept(world, 3)
    world.deliver(letter(4))

    interrupted(world, monkeypatch)
    world.configure(**RENAMED)

    assert world.outcome() == ("ok", 0)

    assert world.stored() == [*letters, letter(4)]
    assert world.staged() == []


@pytest.mark.parametrize("leave", [False, True])
def test_a_first_batch_that_was_half_done_under_the_former_name_is_not_stored_twice(
    world: World, leave: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = [letter(n) for n in range(5)]
    world.configure(leave_on_server=leave)
    world.deliver(*letters)
    interrupted(world, monkeypatch)
    world.configure(**(RENAMED | {"leave_on_server": leave}))

    assert world.outcome() == ("ok", 0)

    assert world.stored() == letters
    assert len(world.server.mail) == (5 if leave else 0)


def test_totals_go_on_under_the_new_name(world: World) -> None:
    kept(world, 3)
    world.report()
    world.configure(**RENAMED)
    world.poll()
    assert world.report().total_stored == 3


def test_two_sections_that_look_like_one_mailbox_are_warned_of_and_go_on(world: World) -> None:
    letters = kept(world, 5)
    first = world.mailbox.key
    world.configure(**ALIAS)
    world.live = dict.fromkeys([first, world.mailbox.key], world.mailbox)

    assert world.outcome() == ("ok", 0)

    assert world.stored() == letters * 2
    (event,) = world.logged(events.MAILBOX_TWICE)
    assert event["messages"] == 5
    assert first.address in event["other"]


def test_one_mail_to_two_mailboxes_is_nothing_to_warn_of(world: World) -> None:
    kept(world, 1)
    first = world.mailbox.key
    world.configure(**ALIAS)
    world.live = dict.fromkeys([first, world.mailbox.key], world.mailbox)
    world.poll()
    assert world.logged(events.MAILBOX_TWICE) == []


def test_a_mailbox_of_which_something_is_known_is_never_taken_over(world: World) -> None:
    world.configure(**ALIAS)
    world.deliver(letter(50))
    world.poll()
    world.server.mail = {}
    kept(world, 3)
    world.configure(**ALIAS)
    world.poll()
    assert world.logged(events.MAILBOX_RENAMED) == []
    assert MailboxKey("pop.acme.example", "invoices@acme.example") in world.ledger.aliases.others(
        world.mailbox.key
    )


def test_a_mailbox_that_moved_to_another_host_where_all_uidls_are_new_stores_nothing_twice(
    world: World,
) -> None:
    letters = kept(world, 30)
    world.server.mail = {b"n-" + uidl: mail for uidl, mail in world.server.mail.items()}
    new = letter(59)
    world.deliver(new)
    world.configure(**RENAMED)
    for _ in range(3):
        assert world.outcome() == ("ok", 0)
    assert sorted(world.stored()) == sorted([*letters, new])


@pytest.mark.parametrize("keeps", [True, False])
def test_other_messages_of_the_same_address_elsewhere_are_all_stored_whatever_their_uidls(
    world: World, keeps: bool
) -> None:
    letters = kept(world, 7)
    others = [letter(n, by="b") for n in range(7)]
    world.server.mail = dict(zip(world.server.mail, others, strict=True))
    world.configure(**RENAMED | {"leave_on_server": keeps})
    for _ in range(3):
        world.poll()
    assert sorted(world.stored()) == sorted(letters + others)
    assert bool(world.server.mail) == keeps
