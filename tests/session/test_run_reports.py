"""What a poll leaves in the log and in the status, whatever becomes of it."""

from __future__ import annotations

import pytest

from mailsluice.errors import ConnectionLost, Phase
from mailsluice.obs import events
from session.fakes import FakeClient
from session.world import BIG, ONE, THREE, TWO, World


def test_of_many_messages_in_doubt_the_first_are_named_and_the_others_counted(world: World) -> None:
    world.deliver(*[ONE] * 100)
    world.server.listed_twice = {b"u%d" % number for number in range(1, 100, 2)}

    world.poll()

    *named, last = world.logged("uidl ambiguous")
    assert [entry["number"] for entry in named] == list(range(1, 21))
    assert last["more"] == 80


def test_of_many_messages_too_large_each_poll_reports_some_until_each_was_reported_once(world: World) -> None:
    world.configure(max_message="1KiB")
    world.deliver(*[BIG] * 50)

    assert [world.outcome() for _ in range(4)] == [("ok", 0)] * 4

    assert sorted(entry["uidl"] for entry in world.logged("message oversize")) == sorted(
        f"u{number}" for number in range(1, 51)
    )


def test_a_poll_reports_no_more_than_20_messages_too_large(world: World) -> None:
    world.configure(max_message="1KiB")
    world.deliver(*[BIG] * 50)

    world.poll()

    assert len(world.logged("message oversize")) == 20


CANONICAL = {
    "mailbox",
    "started",
    "listed",
    "fetched",
    "stored",
    "deleted",
    "bytes",
    "seconds",
    "waiting",
    "outcome",
    "detail",
    "held",
}


def canonical_line(world: World) -> dict[str, object]:
    (line,) = world.logged("session")
    assert set(line) == CANONICAL | {"event", "log_level"}
    return dict(line)


def test_a_success_leaves_one_canonical_line(world: World) -> None:
    world.configure(max_per_poll=2)
    world.deliver(ONE, TWO, THREE)
    world.poll()

    assert canonical_line(world) == {
        "event": "session",
        "log_level": "info",
        "mailbox": "invoices",
        "started": world.began.isoformat(),
        "listed": 3,
        "fetched": 2,
        "stored": 2,
        "deleted": 2,
        "bytes": len(ONE) + len(TWO),
        "seconds": 0.0,
        "waiting": 1,
        "outcome": "ok",
        "detail": "",
        "held": {},
    }


def test_a_failure_leaves_one_canonical_line_too(world: World) -> None:
    world.deliver(ONE, TWO)
    world.server.cut = {b"u2"}
    world.poll()

    line = canonical_line(world)
    assert line["log_level"] == "warning"
    assert (line["outcome"], line["fetched"], line["stored"], line["deleted"]) == ("connection-lost", 1, 1, 0)
    assert (line["listed"], line["waiting"]) == (2, 1)
    assert "lost" in str(line["detail"])


def test_status_shows_the_session(world: World) -> None:
    world.deliver(ONE)
    report = world.poll().report

    shown = world.report()

    assert shown.last == report
    assert shown.last_success == world.began


def test_a_server_that_does_not_agree_to_delete_is_told_of(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeClient, "undeleted", 2)
    world.deliver(ONE, TWO)
    world.poll()

    (report,) = world.logged(events.DELETION_REFUSED)
    assert report["messages"] == 2


@pytest.fixture
def forgetful(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A server that agrees to everything and deletes nothing."""
    monkeypatch.setattr(FakeClient, "quit", lambda _client: None)
    return world


def test_a_server_that_shows_what_it_agreed_to_delete_is_told_of_at_each_poll(forgetful: World) -> None:
    forgetful.deliver(ONE, TWO)
    for _ in range(3):
        forgetful.poll()

    assert [each["messages"] for each in forgetful.logged(events.STILL_LISTED)] == [2, 2]


def test_a_server_that_undoes_the_deletions_of_a_session_that_it_let_wait_is_told_of(world: World) -> None:
    world.deliver(ONE, TWO)
    world.server.quit_fails = ConnectionLost("gone", phase=Phase.QUIT)
    world.poll()
    world.poll()

    (report,) = world.logged(events.STILL_LISTED)
    assert report["messages"] == 2


@pytest.mark.parametrize("before", [True, "30d"])
def test_a_server_that_was_never_asked_is_not_accused_after_a_change_of_policy(
    world: World, before: object
) -> None:
    world.configure(leave_on_server=before)
    world.deliver(ONE, TWO)
    world.poll()
    world.configure(leave_on_server=False)
    world.poll()
    world.poll()

    assert world.logged(events.STILL_LISTED) == []
    assert not world.server.mail


def test_a_poll_that_gives_way_to_another_is_no_failure(world: World) -> None:
    world.deliver(ONE)
    world.poll()
    with world.ledger.leases.hold(world.mailbox.key):
        assert world.outcome()[0] == "mailbox-locked"

    shown = world.report()
    assert (shown.failures, shown.last_error) == (0, "")


def test_a_poll_that_fails_before_its_listing_leaves_the_count_of_what_waits(world: World) -> None:
    world.configure(max_per_poll=1)
    world.deliver(ONE, TWO, THREE)
    world.poll()
    world.server.refused_login = "no"
    world.poll()

    last = world.report().last
    assert last is not None
    assert (last.outcome, last.waiting) == ("login-refused", 2)
