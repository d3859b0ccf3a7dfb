"""What is put together of the configuration, the ledger and what the daemon says."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

from mailsluice.auth.expiry import Expiry, Proof
from mailsluice.config.models import Mailbox
from mailsluice.errors import Phase
from mailsluice.model import SessionReport
from mailsluice.obs.clean import json_text
from mailsluice.outcome import Outcome
from mailsluice.polling.under_way import Running
from mailsluice.report import MailboxReport
from mailsluice.status.presence import Configuration, Daemon, Refusal, Said
from mailsluice.status.report import DaemonStatus, MailboxStatus, status_of

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
CONFIGURATION = Configuration(("/etc/mailsluice/mailsluice.toml",), NOW)
REFUSED = Refusal(NOW, ("a mistake",), "correct it")
RUNNING = Running(NOW, Phase.RETRIEVE, 3, 12, 4711)
GOOD = SessionReport("a", NOW, 5, 2, 2, 2, 100, 0.5, 3, Outcome.OK, "", {"too-large": 3})
DEAD = Daemon(running=False)


def mailbox(name: str) -> Mailbox:
    usual = {"name": name, "address": f"{name}@x.example", "credential": "acme", "host": "Here.Example"}
    return Mailbox.model_validate({**usual, "sink": {"kind": "spool", "path": "/spool"}, "every": "1m"})


A, B = mailbox("a"), mailbox("b")


def report(**keys: object) -> MailboxReport:
    usual = MailboxReport("a", NOW + timedelta(minutes=1), NOW, 0, "", 42, GOOD, 1, {"too-large": 3})
    return replace(usual, **keys)  # type: ignore[arg-type]


def said(*running: Mailbox, refused: Refusal | None = None) -> Daemon:
    polls = tuple((each.key, RUNNING) for each in running)
    return Daemon(running=True, said=Said(123, NOW, CONFIGURATION, refused, polls))


def test_the_mailboxes_stand_in_the_order_in_which_they_are_asked_for() -> None:
    status = status_of([B, A], {}, DEAD, now=NOW)

    assert [each.mailbox for each in status.mailboxes] == ["b", "a"]


def test_of_a_mailbox_that_was_never_polled_nothing_is_known() -> None:
    (row,) = status_of([A], {}, DEAD, now=NOW).mailboxes

    assert row == MailboxStatus(
        mailbox="a",
        address="a@x.example",
        last_success=None,
        next_poll=None,
        running=None,
        stored=0,
        waiting=0,
        held={},
        held_new=0,
        quarantined=0,
        failures=0,
        outcome="never polled",
        error="",
    )


def test_of_a_mailbox_that_was_polled_it_says_what_the_ledger_has() -> None:
    (row,) = status_of([A], {A.key: report()}, DEAD, now=NOW).mailboxes

    assert (row.last_success, row.next_poll) == (NOW, NOW + timedelta(minutes=1))
    assert (row.stored, row.waiting, row.quarantined, row.outcome) == (42, 3, 1, "ok")
    assert row.held["too-large"].messages == 3
    assert row.held_new == 3


def test_nobody_knows_of_more_held_messages_than_there_are() -> None:
    (row,) = status_of([A], {A.key: report(acknowledged={"too-large": 9})}, DEAD, now=NOW).mailboxes

    assert row.held["too-large"].acknowledged == 3
    assert row.held_new == 0


def test_an_error_is_told_until_it_is_over() -> None:
    failed, well = report(failures=2, last_error="no access"), report(failures=0, last_error="no access")

    assert status_of([A], {A.key: failed}, DEAD, now=NOW).mailboxes[0].error == "no access"
    assert not status_of([A], {A.key: well}, DEAD, now=NOW).mailboxes[0].error


def test_what_runs_now_is_told_of_its_mailbox_and_of_no_other() -> None:
    first, other = status_of([A, B], {}, said(A), now=NOW).mailboxes

    assert (first.running, other.running) == (RUNNING, None)


def test_a_mailbox_that_runs_is_known_by_address_and_host_whatever_its_section_is_called() -> None:
    renamed = A.model_copy(update={"name": "renamed"})

    (row,) = status_of([renamed], {}, said(A), now=NOW).mailboxes

    assert row.running == RUNNING


def test_what_runs_of_a_mailbox_that_is_no_longer_configured_is_not_told() -> None:
    assert status_of([], {}, said(A), now=NOW).mailboxes == ()


def test_of_the_daemon_it_says_what_the_daemon_says() -> None:
    daemon = status_of([], {}, said(refused=REFUSED), now=NOW).daemon

    assert daemon == DaemonStatus(
        running=True, pid=123, since=NOW, configuration=CONFIGURATION, refused=REFUSED, problem=""
    )


def test_of_a_dead_daemon_nothing_is_said() -> None:
    assert status_of([], {}, DEAD, now=NOW).daemon == DaemonStatus(
        running=False, pid=None, since=None, configuration=None, refused=None, problem=""
    )


def test_what_could_not_be_found_out_of_the_daemon_is_said() -> None:
    daemon = status_of([], {}, Daemon(None, problem="no access"), now=NOW).daemon

    assert (daemon.running, daemon.problem) == (None, "no access")


def test_a_program_reads_all_of_it_as_json() -> None:
    status = status_of([A, B], {A.key: report()}, said(A, refused=REFUSED), now=NOW)

    read = json.loads(json_text(status.for_json()))

    assert read["daemon"] == {
        "running": True,
        "pid": 123,
        "since": NOW.isoformat(),
        "configuration": {"files": ["/etc/mailsluice/mailsluice.toml"], "since": NOW.isoformat()},
        "refused": {"since": NOW.isoformat(), "mistakes": ["a mistake"], "remedy": "correct it"},
        "problem": "",
    }
    first, other = read["mailboxes"]
    assert first["running"] == {
        "since": NOW.isoformat(),
        "phase": "retrieve",
        "message": 3,
        "messages": 12,
        "octets": 4711,
    }
    assert other["running"] is None
    assert first.keys() == asdict(status.mailboxes[0]).keys()
    assert first["held"]["too-large"]["messages"] == 3


def test_a_credential_that_ends_soon_is_shown_with_its_warning_and_one_that_does_not_without() -> None:
    soon = Expiry("a", Proof.SECRET, NOW + timedelta(days=12), "renew it")
    later = Expiry("b", Proof.CERTIFICATE, NOW + timedelta(days=200), "renew it")
    first, other = status_of([], {}, DEAD, [soon, later], now=NOW).credentials

    assert (first.credential, first.proof, first.ends) == ("a", "client secret", soon.ends)
    assert first.warning == "its client secret ends in 12 days, on 2026-03-14"
    assert first.remedy == "renew it"
    assert not other.warning
