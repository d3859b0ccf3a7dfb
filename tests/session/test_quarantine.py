"""A message that cannot be fetched: tried, counted, and set aside."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailsluice.errors import (
    CommandRefused,
    ConnectionLost,
    DeadlineExceeded,
    GaveWay,
    MailsluiceError,
    MessageTooLarge,
    Phase,
    SinkError,
    Stopped,
)
from mailsluice.failure import Failure
from mailsluice.obs import events
from mailsluice.outcome import Disposition
from mailsluice.session.quarantine import KEPT, speaks_against_message
from session.world import World

ONE, POISON, THREE = (b"Subject: %d\r\n\r\nbody of message %d\r\n" % (n, n) for n in (1, 2, 3))


@pytest.fixture
def poisoned(world: World) -> World:
    world.deliver(ONE, POISON, THREE)
    world.server.refused = {b"u2"}
    return world


def failure(world: World, uidl: bytes = b"u2") -> Failure:
    return world.ledger.failures.read(world.mailbox.key)[uidl]


def blamed(world: World, polls: int = 3) -> list[str]:
    """The outcomes of polls half a day apart, each with a new message that comes."""
    outcomes = []
    for n in range(polls):
        world.deliver(b"Subject: another %d\r\n\r\nx\r\n" % n)
        outcomes.append(world.outcome()[0])
        world.clock.advance(timedelta(hours=12))
    return outcomes


def test_a_message_refused_three_times_over_a_day_is_tried_once_a_day_and_stays_on_the_server(
    poisoned: World,
) -> None:
    assert blamed(poisoned) == ["messages-refused"] * 3
    assert poisoned.server.count("RETR u2") == 3
    assert poisoned.server.mail == {b"u2": POISON}
    assert blamed(poisoned, 4) == ["ok", "messages-refused"] * 2
    assert poisoned.server.count("RETR u2") == 5


def test_a_bad_hour_sets_nothing_aside(poisoned: World) -> None:
    for n in range(60):
        poisoned.deliver(b"Subject: another %d\r\n\r\nx\r\n" % n)
        poisoned.poll()
        poisoned.clock.advance(timedelta(minutes=1))
    assert poisoned.logged(events.MESSAGE_QUARANTINED) == []
    poisoned.server.refused = set()
    poisoned.poll()
    assert POISON in poisoned.stored()


def test_it_leaves_by_itself(poisoned: World) -> None:
    blamed(poisoned)
    poisoned.server.refused = set()
    poisoned.pass_days(1)
    poisoned.poll()
    assert POISON in poisoned.stored()
    assert poisoned.ledger.failures.read(poisoned.mailbox.key) == {}


def test_where_no_other_is_left_its_own_header_speaks_against_it(world: World) -> None:
    world.server.refused = set(world.deliver(POISON))
    for _ in range(3):
        world.poll()
        world.pass_days(1)
    assert failure(world, b"u1").quarantined


def test_where_its_header_is_refused_too_nothing_speaks_against_it(world: World) -> None:
    world.server.refused = set(world.deliver(POISON))
    world.server.headers_refused = True
    for _ in range(5):
        world.poll()
        world.pass_days(1)
    assert failure(world, b"u1").times == 0


def test_a_quota_of_a_session_blames_no_message_and_brings_all_in_the_end(world: World) -> None:
    sent = [b"Subject: %d\r\n\r\nx\r\n" % n for n in range(120)]
    uidls = world.deliver(*sent)

    left: list[int] = []

    def one_less(_: bytes) -> None:
        left.append(1)
        if len(left) % 15 == 0:
            world.server.refused = set(uidls)

    world.server.on_retrieved = one_less
    for _ in range(8):
        world.server.refused = set()
        world.poll()
    asked = sum(said.startswith("RETR") for said in world.server.said)
    assert sorted(world.stored()) == sorted(sent)
    assert asked <= 8 * 25
    assert world.ledger.failures.read(world.mailbox.key) == {}


def test_what_such_a_session_could_not_fetch_is_waiting(world: World) -> None:
    world.deliver(*[ONE] * 30)
    world.server.refused = set(list(world.server.mail)[15:])
    polled = world.poll()
    assert (polled.report.outcome, polled.report.waiting) == ("messages-refused", 15)
    assert "asked for no more" in polled.report.detail
    assert polled.served


def test_it_is_reported_once_with_its_error_and_what_to_do(poisoned: World) -> None:
    blamed(poisoned, 6)

    (report,) = poisoned.logged(events.MESSAGE_QUARANTINED)
    assert (report["uidl"], report["octets"], report["error"]) == ("u2", len(POISON), "refused")
    assert "quarantine list" in report["remedy"]


def test_status_counts_it(poisoned: World) -> None:
    blamed(poisoned)
    poisoned.ledger.reports.flush()

    assert poisoned.ledger.reports.read()[poisoned.mailbox.key].quarantined == 1


def test_its_header_is_kept_and_asked_for_once(poisoned: World) -> None:
    blamed(poisoned, 6)

    assert failure(poisoned).header == b"Subject: 2\r\n\r\n"
    assert poisoned.server.count("TOP u2") == 1


def test_of_a_long_header_the_beginning_is_kept(world: World) -> None:
    world.deliver(b"X: y\r\n" * KEPT + b"\r\nbody\r\n")
    world.server.refused = {b"u1"}
    blamed(world)

    assert len(failure(world, b"u1").header or b"") == KEPT


def test_a_server_that_tells_no_header_is_asked_once(poisoned: World) -> None:
    poisoned.server.headers_refused = True
    blamed(poisoned, 6)

    assert failure(poisoned).header == b""
    assert poisoned.server.count("TOP u2") == 1


def test_a_header_that_ends_the_session_ends_no_other(poisoned: World) -> None:
    blamed(poisoned, 2)
    poisoned.server.headers_cut = {b"u2"}

    assert blamed(poisoned, 2) == ["connection-lost", "ok"]


def test_a_message_that_comes_at_last_is_stored_and_its_failures_forgotten(poisoned: World) -> None:
    poisoned.poll()
    poisoned.poll()
    poisoned.server.refused = set()
    poisoned.poll()

    assert poisoned.stored() == [ONE, THREE, POISON]
    assert poisoned.ledger.failures.read(poisoned.mailbox.key) == {}


def test_two_failures_a_success_and_two_failures_more_are_not_three_in_a_row(poisoned: World) -> None:
    poisoned.configure(leave_on_server=True)
    poisoned.poll()
    poisoned.poll()
    poisoned.server.refused = set()
    poisoned.poll()

    assert poisoned.ledger.failures.read(poisoned.mailbox.key) == {}


def test_what_is_tried_again_has_three_tries(poisoned: World) -> None:
    blamed(poisoned)
    assert poisoned.ledger.failures.retry(poisoned.mailbox.key, [b"u2"]) == 1

    assert blamed(poisoned) == ["messages-refused"] * 3
    assert failure(poisoned).times == 3


def test_another_message_under_its_uidl_is_fetched(poisoned: World) -> None:
    for _ in range(3):
        poisoned.poll()
    poisoned.server.refused = set()
    poisoned.server.mail[b"u2"] = b"Subject: of another size\r\n\r\nand another body\r\n"
    poisoned.poll()

    assert poisoned.server.mail == {}


def test_a_message_that_is_not_on_the_server_any_more_is_forgotten(poisoned: World) -> None:
    for _ in range(3):
        poisoned.poll()
    del poisoned.server.mail[b"u2"]
    poisoned.poll()

    assert poisoned.ledger.failures.read(poisoned.mailbox.key) == {}


def test_messages_in_quarantine_take_no_part_of_what_a_poll_fetches(world: World) -> None:
    world.configure(max_per_poll=2)
    world.server.refused = set(world.deliver(ONE, POISON))
    for _ in range(3):
        world.poll()
    world.deliver(THREE)
    world.poll()

    assert world.stored() == [THREE]


@pytest.mark.parametrize(
    ("messages", "size"), [(11, 40), (70, 40), (30, 17 * 2**20)], ids=["one batch", "two", "one each"]
)
def test_a_server_that_hands_out_nothing_at_all_does_not_fill_the_quarantine(
    world: World, messages: int, size: int
) -> None:
    refused = world.deliver(*[ONE] * messages)
    world.server.refused = set(refused)
    world.server.sizes = dict.fromkeys(refused, size)
    for _ in range(4):
        polled = world.poll()
        assert (polled.report.outcome, polled.disposition) == ("messages-refused", Disposition.BACK_OFF)

    assert {each.times for each in world.ledger.failures.read(world.mailbox.key).values()} == {0}


def test_what_such_a_server_refuses_does_not_hide_what_is_behind_it(world: World) -> None:
    world.configure(max_per_poll=20)
    world.server.refused = set(world.deliver(*[ONE] * 20))
    world.deliver(*[THREE] * 20)
    for _ in range(4):
        world.poll()

    assert world.stored() == [THREE] * 20


def test_many_refused_messages_are_counted_where_others_come(world: World) -> None:
    world.configure(leave_on_server=True)
    refused = world.deliver(*[ONE] * 9)
    world.server.refused = set(refused)
    world.deliver(THREE)
    world.poll()

    found = world.ledger.failures.read(world.mailbox.key)
    assert {uidl: each.times for uidl, each in found.items()} == dict.fromkeys(refused, 1)


def test_a_refusal_that_passes_by_itself_is_not_counted(poisoned: World) -> None:
    poisoned.server.refused_with = "Server Unavailable. 21"
    for _ in range(4):
        poisoned.poll()

    assert poisoned.server.count("RETR u2") == 4


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CommandRefused("", phase=Phase.RETRIEVE, reply="no such message"), True),
        (CommandRefused("", phase=Phase.RETRIEVE, reply="[SYS/TEMP] later"), True),
        (ConnectionLost("", phase=Phase.RETRIEVE), True),
        (ConnectionLost("", phase=Phase.RETRIEVE, reply="Server Unavailable. 21"), False),
        (DeadlineExceeded("", phase=Phase.RETRIEVE), True),
        (GaveWay("", phase=Phase.RETRIEVE), False),
        (MessageTooLarge("", octets=1), False),
        (SinkError(""), False),
        (Stopped(""), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_some_errors_speak_against_a_message(error: MailsluiceError, expected: bool) -> None:
    assert speaks_against_message(error) is expected


def test_an_age_in_quarantine_makes_nothing_deleted(poisoned: World) -> None:
    for _ in range(3):
        poisoned.poll()
    poisoned.clock.advance(timedelta(days=400))
    poisoned.poll()

    assert poisoned.server.mail == {b"u2": POISON}


def test_a_poisoned_message_under_the_uidl_of_one_that_is_gone_holds_up_no_other(world: World) -> None:
    world.deliver(b"short\r\n")
    world.poll()
    world.poll()
    world.server.mail = {b"u1": POISON, b"u2": ONE}
    for _ in range(4):
        world.server.cut = {b"u1"}
        world.poll()

    assert world.stored() == [b"short\r\n", ONE]


def test_a_message_whose_size_is_told_anew_each_time_holds_up_no_other(world: World) -> None:
    world.deliver(POISON, ONE, THREE)
    for poll in range(4):
        world.server.cut = {b"u1"}
        world.server.sizes = {b"u1": 100 + poll % 2}
        world.poll()

    assert world.stored() == [ONE, THREE]
