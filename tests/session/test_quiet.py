"""A poll whose listing an earlier one left as it is: nothing is planned, and nothing overlooked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mailsluice.ledger.ledger import Ledger
from mailsluice.session.run import preview
from session.world import ONE, THREE, TWO, World


def test_a_poll_of_what_was_left_before_plans_nothing_and_reports_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure(leave_on_server=True)
    world.deliver(ONE, TWO)
    world.poll()
    before = world.poll().report
    monkeypatch.delattr("mailsluice.session.planning.make_plan")

    report = world.poll().report

    assert (report.outcome, report.listed, report.waiting) == ("ok", 2, 0)
    assert replace(report, started=before.started) == before
    assert world.server.said[-4:] == ["CONNECT", "AUTH", "UIDL", "QUIT"]


def left_quiet(world: World, **keys: object) -> None:
    """Two messages are stored and kept, and a poll has found nothing to do."""
    world.configure(leave_on_server=True, **keys)
    world.deliver(ONE, TWO)
    world.poll()
    world.poll()


def test_a_new_message_among_those_left_before_is_fetched(world: World) -> None:
    left_quiet(world)
    world.deliver(THREE)

    world.poll()

    assert world.stored() == [ONE, TWO, THREE]


def test_a_message_left_before_that_is_listed_with_another_size_is_asked_for_its_header_once(
    world: World,
) -> None:
    left_quiet(world)
    world.server.sizes[b"u1"] = 4711

    for _ in range(3):
        world.poll()

    assert world.server.count("TOP u1") == 1
    assert world.server.count("RETR u1") == 1


def test_another_policy_looks_at_what_was_left_before(world: World) -> None:
    left_quiet(world)
    world.configure(leave_on_server=False)

    world.poll()

    assert world.server.mail == {}


def test_what_is_marked_otherwise_by_another_process_is_looked_at_again(world: World) -> None:
    world.server.refused = {b"u1"}
    world.deliver(ONE)
    for _ in range(3):
        world.poll()
        world.clock.advance(timedelta(hours=12))
    world.server.refused = set()
    for _ in range(2):
        assert world.outcome() == ("ok", 0)
    assert world.stored() == []

    with Ledger(world.home / "state", clock=world.clock) as other:
        assert other.failures.retry(world.mailbox.key, [b"u1"]) == 1

    assert world.outcome() == ("ok", 0)
    assert world.stored() == [ONE]


def test_what_is_gone_is_forgotten_in_time_though_the_listing_stays_the_same(world: World) -> None:
    left_quiet(world)
    del world.server.mail[b"u1"]
    for _ in range(32):
        world.poll()
        world.pass_days(1)

    assert set(world.ledger.messages.known(world.mailbox.key)) == {b"u2"}


def test_a_preview_plans_what_was_left_before(world: World) -> None:
    left_quiet(world)

    plan = preview(world.mailbox, world.context)

    assert [reason.name for reason in plan.reasons] == ["KEPT", "KEPT"]


def test_a_poll_that_finds_nothing_to_do_writes_nothing(world: World) -> None:
    left_quiet(world)
    said: list[str] = []
    world.ledger._database._connection.set_trace_callback(said.append)

    world.poll()

    assert said
    assert not [statement for statement in said if "SELECT" not in statement]
