"""One poll, from the login to QUIT, as the server, the spool and the log show it."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from mailsluice.errors import CommandRefused, ConnectionLost, Phase
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import BearerToken, MailboxKey
from mailsluice.obs import events
from mailsluice.outcome import Disposition
from mailsluice.policy.reason import Action
from mailsluice.session.run import preview
from session.world import BIG, ONE, THREE, TWO, World


def test_a_poll_stores_what_is_there_and_deletes_it(world: World) -> None:
    world.deliver(ONE, TWO)

    assert world.outcome() == ("ok", 0)
    assert world.stored() == [ONE, TWO]
    assert world.server.mail == {}


def test_an_empty_mailbox_is_all_well(world: World) -> None:
    assert world.outcome() == ("ok", 0)
    assert world.server.said == ["CONNECT", "AUTH", "UIDL", "QUIT"]


def test_without_a_login_nothing_is_connected(world: World) -> None:
    world.credentials.available = False

    assert world.outcome() == ("token-unavailable", 75)
    assert world.server.said == []


def test_a_refused_login_is_made_known_to_the_credentials_and_needs_somebody(world: World) -> None:
    world.server.refused_login = "unknown user"

    polled = world.poll()

    assert world.credentials.rejected == [BearerToken("canary-1")]
    assert (polled.report.outcome, polled.exit_code) == ("login-refused", 77)
    assert polled.disposition is Disposition.OPERATOR
    assert "unknown user" in polled.report.detail


@pytest.mark.parametrize(
    "words",
    ["Server Unavailable. 21", "Request is throttled.", "[IN-USE] another session", "[SYS/TEMP] later"],
)
def test_a_refusal_that_passes_by_itself_is_not_the_tokens_fault(world: World, words: str) -> None:
    world.server.refused_login = words
    world.poll()
    assert world.credentials.rejected == []
    assert world.credentials.let_in == []


def test_a_login_that_was_accepted_is_told_as_such(world: World) -> None:
    world.poll()
    assert world.credentials.let_in == [BearerToken("canary-1")]


def test_an_accepted_login_is_not_rejected(world: World) -> None:
    world.poll()

    assert world.credentials.rejected == []


def test_true_keeps_the_message_and_never_fetches_it_again(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(ONE)

    assert [world.outcome() for _ in range(3)] == [("ok", 0)] * 3
    world.pass_days(1000)
    world.poll()

    assert world.server.count("RETR u1") == 1
    assert world.server.mail == {b"u1": ONE}


def test_a_message_is_deleted_when_it_has_aged_and_not_before(world: World) -> None:
    world.configure(leave_on_server="30d")
    world.deliver(ONE)
    world.poll()

    world.pass_days(29)
    world.poll()
    assert world.server.mail == {b"u1": ONE}

    world.pass_days(1)
    polled = world.poll()
    assert world.server.mail == {}
    assert polled.report.deleted == 1
    assert world.stored() == [ONE]


def test_what_earlier_sessions_stored_is_deleted_after_what_is_new_is_stored(world: World) -> None:
    world.deliver(ONE)
    world.server.quit_fails = ConnectionLost("gone", phase=Phase.QUIT)
    world.poll()
    world.server.quit_fails = None
    world.deliver(TWO)
    world.server.said.clear()

    world.poll()

    assert world.server.said == ["CONNECT", "AUTH", "UIDL", "RETR u2", "DELE u2", "TOP u1", "DELE u1", "QUIT"]


def test_max_per_poll_leaves_the_rest_for_the_next(world: World) -> None:
    world.configure(max_per_poll=2)
    world.deliver(ONE, TWO, THREE)

    first = world.poll().report
    assert (first.stored, first.waiting) == (2, 1)
    assert world.poll().report.stored == 1
    assert world.stored() == [ONE, TWO, THREE]


@pytest.mark.parametrize(
    "failure",
    [
        CommandRefused("not all was deleted", phase=Phase.QUIT, reply="not all was deleted"),
        ConnectionLost("gone", phase=Phase.QUIT),
    ],
    ids=["refused", "unanswered"],
)
def test_a_quit_that_goes_wrong_is_a_warning_and_the_next_listing_decides(
    world: World, failure: CommandRefused | ConnectionLost
) -> None:
    world.deliver(ONE)
    world.server.quit_fails = failure

    assert world.outcome() == ("ok", 0)
    (warning,) = world.logged("quit unconfirmed")
    assert warning["log_level"] == "warning"
    assert world.server.mail == {b"u1": ONE}

    world.server.quit_fails = None
    world.poll()
    assert world.server.mail == {}
    assert world.stored() == [ONE]


def test_a_quit_that_was_carried_out_but_not_answered_is_settled_as_well(world: World) -> None:
    world.deliver(ONE)
    world.server.quit_goes_unanswered = True

    assert world.outcome() == ("ok", 0)
    world.server.quit_goes_unanswered = False
    assert world.outcome() == ("ok", 0)
    assert world.stored() == [ONE]


def test_a_uidl_that_is_used_again_for_another_message_is_fetched_with_a_warning(world: World) -> None:
    world.deliver(ONE)
    world.poll()
    world.poll()
    world.server.mail[b"u1"] = BIG

    world.poll()

    assert world.stored() == [ONE, BIG]
    assert [entry["uidl"] for entry in world.logged("uidl reused")] == ["u1"]
    assert world.server.mail == {}


def test_a_message_that_is_listed_again_after_an_absence_is_not_stored_again(world: World) -> None:
    world.deliver(ONE)
    world.poll()
    world.poll()
    world.server.mail[b"u1"] = ONE

    world.poll()

    assert world.stored() == [ONE]
    assert world.server.mail == {}


def test_a_message_too_large_by_its_listing_is_reported_once_and_blocks_nothing(world: World) -> None:
    world.configure(max_message="1KiB")
    world.deliver(BIG, ONE)

    assert [world.outcome() for _ in range(3)] == [("ok", 0)] * 3

    (report,) = world.logged("message oversize")
    assert (report["uidl"], report["octets"]) == ("u1", len(BIG))
    assert report["remedy"]
    assert world.server.count("RETR u1") == 0
    assert world.stored() == [ONE]
    assert world.server.mail == {b"u1": BIG}


def test_a_larger_limit_fetches_what_was_too_large(world: World) -> None:
    world.configure(max_message="1KiB")
    world.deliver(BIG)
    world.poll()
    world.configure()

    world.poll()

    assert world.stored() == [BIG]
    assert world.server.mail == {}


def test_a_session_that_is_tired_ends_after_its_batch(world: World, small_batches: None) -> None:
    world.deliver(ONE, TWO, THREE)
    world.server.tired_after = 1

    polled = world.poll()

    assert (polled.report.outcome, polled.report.stored, polled.report.waiting) == ("ok", 2, 1)
    assert world.server.said[-1] == "QUIT"
    assert world.server.mail == {b"u3": THREE}


def test_a_stop_ends_the_poll_after_the_message_in_flight_and_says_goodbye(world: World) -> None:
    world.deliver(ONE, TWO, THREE)
    world.server.on_retrieved = lambda _: world.stop.set()

    polled = world.poll()

    assert world.stored() == [ONE]
    assert world.server.said[-3:] == ["RETR u1", "DELE u1", "QUIT"]
    assert world.server.mail == {b"u2": TWO, b"u3": THREE}
    assert (polled.report.outcome, polled.exit_code, polled.report.waiting) == ("stopped", 0, 2)


def test_a_stop_before_a_poll_begins_connects_to_nothing(world: World) -> None:
    world.deliver(ONE)
    world.stop.set()

    assert world.outcome() == ("stopped", 0)
    assert world.server.said == []


def test_a_bug_is_an_outcome_with_a_traceback_in_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("mailsluice.session.planning.make_plan", broken)

    assert world.outcome() == ("bug", 70)
    (note,) = world.logged("bug")
    assert note["exc_info"]
    assert world.logged("session")[0]["outcome"] == "bug"
    assert world.report().failures == 1


def test_a_backlog_of_deletions_shrinks_though_a_session_is_too_short_for_it(world: World) -> None:
    world.configure(leave_on_server=True)
    world.deliver(*(b"%d\r\n" % number for number in range(200)))
    world.poll()
    world.configure(leave_on_server=False)
    world.server.tired_after = 64

    assert world.outcome() == ("ok", 0)
    assert len(world.server.mail) == 200 - 64
    assert world.server.said[-1] == "QUIT"


def hold_lock(state: Path, key: MailboxKey, held: multiprocessing.synchronize.Event) -> None:
    with Ledger(state) as ledger, ledger.leases.hold(key):
        held.set()
        multiprocessing.Event().wait()


def test_a_mailbox_that_another_process_polls_is_left_alone_for_now(world: World) -> None:
    world.deliver(ONE)
    spawn = multiprocessing.get_context("fork")
    held = spawn.Event()
    other = spawn.Process(target=hold_lock, args=(world.home / "state", world.mailbox.key, held), daemon=True)
    other.start()
    try:
        assert held.wait(20)
        polled = world.poll()
    finally:
        other.kill()
        other.join()

    assert (polled.report.outcome, polled.exit_code) == ("mailbox-locked", 75)
    assert str(other.pid) in polled.report.detail
    assert world.server.said == []
    assert world.outcome() == ("ok", 0)
    assert world.stored() == [ONE]


def test_a_preview_tells_the_plan_and_touches_nothing(world: World) -> None:
    world.deliver(ONE)

    plan = preview(world.mailbox, world.context)

    assert [listed.uidl for listed in plan.to(Action.FETCH)] == [b"u1"]
    assert world.server.said == ["CONNECT", "AUTH", "UIDL", "QUIT"]
    assert world.stored() == []
    assert world.ledger.messages.known(world.mailbox.key) == {}


def test_another_message_under_a_known_uidl_is_stored_though_the_listing_has_no_sizes(world: World) -> None:
    world.deliver(ONE)
    world.poll()
    world.poll()
    world.server.mail = {b"u1": TWO}
    world.server.gives_sizes = False
    assert world.outcome() == ("ok", 0)
    assert world.stored() == [ONE, TWO]
    assert world.logged(events.UIDL_REUSED)


@pytest.mark.parametrize("size", [None, 1000])
def test_once_sizes_are_listed_again_such_a_message_is_fetched(world: World, size: int | None) -> None:
    world.deliver(ONE)
    world.poll()
    world.poll()
    world.server.mail = {b"u1": TWO + b"and more\r\n"}
    world.server.gives_sizes = size is not None
    world.poll()
    world.server.gives_sizes = True
    world.poll()

    assert world.stored() == [ONE, TWO + b"and more\r\n"]
