"""Messages that have no identity yet: marked as seen, or known from before there were identities."""

from __future__ import annotations

import pytest

from mailsluice.obs import events
from mailsluice.session import identifying
from mailsluice.session.seen import Way, settle
from session.test_takeover import RENAMED, letter
from session.world import ONE, THREE, TWO, World


@pytest.fixture
def marked(world: World) -> World:
    """A mailbox that deletes, with three messages that were marked as seen."""
    world.deliver(ONE, TWO, THREE)
    settle(world.mailbox, Way.MARK, world.context)
    world.server.said.clear()
    return world


def identified(world: World) -> list[bool]:
    return [row.identified for row in world.ledger.messages.known(world.mailbox.key).values()]


def tops(world: World) -> list[str]:
    return [said for said in world.server.said if said.startswith("TOP")]


def test_each_is_asked_for_once_newest_first(marked: World) -> None:
    assert marked.outcome() == ("ok", 0)
    assert marked.outcome() == ("ok", 0)
    assert tops(marked) == ["TOP u3", "TOP u2", "TOP u1"]
    assert identified(marked) == [True] * 3


def test_one_poll_asks_for_some_and_the_next_goes_on(marked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identifying, "MOST", 2)
    marked.poll()
    assert tops(marked) == ["TOP u3", "TOP u2"]
    marked.poll()
    assert tops(marked) == ["TOP u3", "TOP u2", "TOP u1"]


def test_a_server_that_tells_no_header_now_is_asked_again(marked: World) -> None:
    marked.server.headers_refused = True
    assert marked.outcome() == ("ok", 0)
    assert identified(marked) == [False] * 3
    marked.server.headers_refused = False
    marked.poll()
    assert identified(marked) == [True] * 3


def test_a_header_that_is_refused_beside_others_is_asked_for_no_more(marked: World) -> None:
    marked.server.substituted = {b"u2"}
    marked.poll()
    assert identified(marked) == [True] * 3
    marked.poll()
    assert len(tops(marked)) == 3


def test_a_server_without_top_is_asked_for_none(marked: World) -> None:
    marked.server.has_top = False
    marked.server.headers_refused = True
    marked.poll()
    marked.poll()
    assert len(tops(marked)) == 1


def test_a_header_that_ends_the_session_ends_one(marked: World) -> None:
    marked.server.headers_cut = {b"u3"}
    assert marked.outcome() == ("connection-lost", 75)
    assert marked.outcome() == ("ok", 0)
    assert tops(marked) == ["TOP u3"]
    marked.pass_days(1)
    assert [marked.outcome() for _ in range(2)] == [("ok", 0)] * 2
    assert tops(marked) == ["TOP u3", "TOP u2", "TOP u1"]


def test_another_message_under_its_uidl_is_not_taken_for_the_known_one(marked: World) -> None:
    marked.server.mail[b"u2"] = letter(1)
    for _ in range(2):
        marked.poll()
    assert identified(marked).count(True) == 2
    assert len(marked.logged(events.UIDL_CHANGED)) == 2


def test_nothing_is_asked_for_in_a_session_that_has_deleted(marked: World) -> None:
    marked.deliver(letter(1))
    marked.server.headers_cut = {b"u1", b"u2", b"u3"}
    assert marked.outcome() == ("ok", 0)
    assert tops(marked) == []


def test_what_is_marked_as_seen_stays_where_it_is_when_the_mailbox_has_another_name(world: World) -> None:
    world.deliver(*(letter(n) for n in range(30)))
    settle(world.mailbox, Way.MARK, world.context)
    world.poll()
    world.configure(**(RENAMED | {"leave_on_server": False}))

    assert world.outcome() == ("ok", 0)

    assert world.stored() == []
    assert len(world.server.mail) == 30


def test_another_message_under_the_uidl_of_one_marked_as_seen_is_fetched(marked: World) -> None:
    marked.poll()
    marked.server.mail[b"u2"] = letter(1)

    assert marked.outcome() == ("ok", 0)

    assert marked.stored() == [letter(1)]
    assert list(marked.server.mail) == [b"u1", b"u3"]
