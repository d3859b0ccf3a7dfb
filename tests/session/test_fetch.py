"""Fetching by several sessions of one mailbox: each message once, and no harm from a session that fails."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from mailsluice.errors import ConnectionLost, Phase
from mailsluice.polling.slots import Slots
from mailsluice.session.fetch import WORTH_A_SESSION
from session.world import World
from support.waiting import wait_until

BACKLOG = 4 * WORTH_A_SESSION


@pytest.fixture
def backlog(world: World) -> list[bytes]:
    """Messages enough for four sessions, which the mailbox allows."""
    world.configure(connections=4)
    messages = [b"Subject: %d\r\n\r\nmessage %d\r\n" % (number, number) for number in range(BACKLOG)]
    world.deliver(*messages)
    return messages


def together(world: World, sessions: int) -> None:
    """Hold back the first message until so many sessions are logged in."""
    world.server.on_retrieved = lambda _: wait_until(
        lambda: world.server.count("AUTH") >= sessions, f"{sessions} sessions"
    )


def test_a_backlog_is_fetched_by_as_many_sessions_as_the_mailbox_has_connections(
    world: World, backlog: list[bytes]
) -> None:
    together(world, 4)
    assert world.outcome() == ("ok", 0)
    assert sorted(world.stored()) == sorted(backlog)
    assert (world.server.count("CONNECT"), world.server.count("QUIT")) == (4, 4)
    assert world.server.mail == {}


def test_no_message_is_asked_for_twice(world: World, backlog: list[bytes]) -> None:
    together(world, 4)
    world.poll()
    asked = Counter(said for said in world.server.said if said.startswith("RETR"))
    assert len(asked) == asked.total() == len(backlog)


def test_each_session_goes_by_the_numbers_of_its_own_listing(world: World, backlog: list[bytes]) -> None:
    world.server.arranged = lambda session, uidls: uidls[session:] + uidls[:session]
    together(world, 4)
    assert world.outcome() == ("ok", 0)
    assert sorted(world.stored()) == sorted(backlog)
    described = [json.loads(path.read_text()) for path in (world.home / "sink").glob("*.json")]
    assert {each["uidl"]: each["subject"] for each in described} == {
        f"u{number + 1}": f"{number}" for number in range(BACKLOG)
    }


@pytest.mark.parametrize(
    "otherwise",
    [lambda _: [], lambda uidls: uidls[1:], lambda uidls: [*uidls[:-1], uidls[0]]],
    ids=["nothing", "one less", "one twice"],
)
def test_a_session_that_lists_otherwise_takes_no_message_from_the_others(
    world: World, backlog: list[bytes], otherwise: Callable[[list[bytes]], list[bytes]]
) -> None:
    world.server.arranged = lambda session, uidls: uidls if session == 1 else otherwise(uidls)
    together(world, 2)
    assert world.outcome() == ("ok", 0)
    assert sorted(world.stored()) == sorted(backlog)
    (warning,) = world.logged("no second session")
    assert "an extra session does not list" in warning["error"]


def test_a_session_that_is_given_no_sizes_takes_no_message_from_the_others(
    world: World, backlog: list[bytes]
) -> None:
    def arranged(session: int, uidls: list[bytes]) -> list[bytes]:
        world.server.gives_sizes = session == 1
        return uidls

    world.server.arranged = arranged
    together(world, 2)
    assert world.outcome() == ("ok", 0)
    assert sorted(world.stored()) == sorted(backlog)


def test_a_session_that_comes_when_the_others_are_done_and_gone_is_no_refusal(
    world: World, backlog: list[bytes]
) -> None:
    world.configure(connections=2)

    def come_late(session: int, uidls: list[bytes]) -> list[bytes]:
        if session > 1:
            wait_until(lambda: world.server.count("RETR u64") == 1, "all is handed out")
            return []
        return uidls

    world.server.arranged = come_late
    assert world.outcome() == ("ok", 0)
    assert sorted(world.stored()) == sorted(backlog)
    assert world.logged("no second session") == []


def test_the_report_counts_what_all_sessions_did(world: World, backlog: list[bytes]) -> None:
    together(world, 4)
    report = world.poll().report
    octets = sum(map(len, backlog))
    assert (report.listed, report.fetched, report.stored) == (BACKLOG, BACKLOG, BACKLOG)
    assert (report.deleted, report.waiting, report.bytes) == (BACKLOG, 0, octets)


def test_few_messages_are_not_worth_another_login(world: World) -> None:
    world.configure(connections=4)
    world.deliver(*(b"Subject: %d\r\n\r\n" % number for number in range(2 * WORTH_A_SESSION - 1)))
    world.poll()
    assert world.server.count("CONNECT") == 1


@pytest.mark.usefixtures("backlog")
def test_a_mailbox_has_one_connection_unless_it_asks_for_more(world: World) -> None:
    world.configure()
    world.poll()
    assert world.server.count("CONNECT") == 1


def test_a_server_that_says_in_use_has_one_session_do_it_all(world: World, backlog: list[bytes]) -> None:
    world.server.most_sessions = 1
    together(world, 2)
    assert world.outcome() == ("ok", 0)
    assert sorted(world.stored()) == sorted(backlog)
    assert [entry["log_level"] for entry in world.logged("no second session")] == ["warning"]


@pytest.mark.usefixtures("backlog")
def test_a_second_session_in_the_words_of_a_bad_login_is_probably_throttled(world: World) -> None:
    """The first one is in with the same token."""
    world.server.most_sessions = 1
    together(world, 2)
    world.server.crowded = "Authentication failure: unknown user name or bad password."
    world.poll()

    (warning,) = world.logged("no second session")
    assert warning["remedy"].startswith("probably the server throttles")


@pytest.mark.usefixtures("backlog")
def test_a_server_that_said_in_use_is_asked_again_after_an_hour(world: World) -> None:
    world.server.most_sessions = 1
    together(world, 2)
    world.poll()
    world.server.most_sessions = None
    for passing, connections in ((timedelta(minutes=59), 1), (timedelta(minutes=1), 4)):
        world.clock.advance(passing)
        world.deliver(*(b"Subject: %d\r\n\r\n" % number for number in range(BACKLOG)))
        world.server.said.clear()
        together(world, connections)
        assert world.outcome() == ("ok", 0)
        assert world.server.count("CONNECT") == connections


def test_where_no_place_is_free_one_session_does_it_all_without_a_word(
    world: World, backlog: list[bytes]
) -> None:
    world.slots = Slots(1, world.clock)
    assert world.outcome() == ("ok", 0)
    assert sorted(world.stored()) == sorted(backlog)
    assert world.server.count("CONNECT") == 1
    assert world.logged("no second session") == []


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
def test_where_no_thread_can_be_had_one_session_does_it_all(
    world: World, backlog: list[bytes], monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise error

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert world.outcome() == ("ok", 0)
    assert sorted(world.stored()) == sorted(backlog)


def test_a_session_that_breaks_ends_no_other_and_the_next_poll_makes_good(
    world: World, backlog: list[bytes]
) -> None:
    first = threading.current_thread()
    broken = threading.Event()

    def break_an_extra_one(_: bytes) -> None:
        if threading.current_thread() is first:
            wait_until(broken.is_set, "an extra session breaks")
        elif not broken.is_set():
            broken.set()
            raise ConnectionLost("cut", phase=Phase.RETRIEVE)

    world.configure(connections=2)
    world.server.on_retrieved = break_an_extra_one
    assert world.outcome()[0] == "connection-lost"
    assert world.server.count("QUIT") == 1, "the first session came to its QUIT"
    assert len(world.server.mail) < BACKLOG
    assert world.outcome() == ("ok", 0)
    assert sorted(world.stored()) == sorted(backlog)
    assert world.server.mail == {}
