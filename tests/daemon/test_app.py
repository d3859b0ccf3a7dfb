"""The composition root: what holds it together when parts fail or will not end."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from mailsluice import app
from mailsluice.app import Service
from mailsluice.clock import SystemClock
from mailsluice.config.models import Config, Mailbox
from mailsluice.errors import Bug, SinkError
from mailsluice.ledger.ledger import Ledger
from mailsluice.obs import events
from mailsluice.polling import answers
from mailsluice.polling import round as round_
from mailsluice.polling.regular import RegularPolls
from mailsluice.polling.schedule import Schedule
from mailsluice.session.context import Context
from mailsluice.session.counts import Counts, Polled
from mailsluice.session.triage import triage
from mailsluice.system.signals import Signals
from mailsluice_sandbox import Fault, Sandbox, Silence, mail
from support.shortage import Shortage, of_sessions
from support.waiting import wait_until

SOON = 20.0


def test_a_connection_that_does_not_end_is_cut_after_the_grace(
    config: Config, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "GRACE", 0.05)
    box = sandbox.mailbox("a@acme.example")
    box.deliver(mail.note(1))
    halt = sandbox.faults.add(Fault("RETR", Silence(after_octets=10)))

    with capture_logs() as logs, Service(config) as service:
        service.start()
        assert halt.wait(SOON)

    (session,) = [line for line in logs if line["event"] == events.SESSION]
    assert session["outcome"] == "stopped"
    assert len(box.remaining()) == 1


def test_a_connection_is_cut_at_once_where_no_thread_can_be_had_to_wait_for_the_grace(
    config: Config, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    Shortage(monkeypatch, lambda thread: isinstance(thread, threading.Timer))
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    halt = sandbox.faults.add(Fault("RETR", Silence(after_octets=10)))

    with capture_logs() as logs, Service(config) as service:
        service.start()
        assert halt.wait(SOON)

    (session,) = [line for line in logs if line["event"] == events.SESSION]
    assert session["outcome"] == "stopped"


def test_what_fails_to_stop_keeps_nothing_else_from_being_closed(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[str] = []
    close = Ledger.close

    def fail(_: Schedule) -> None:
        ends.append("schedule")
        raise Bug("the schedule does not stop")

    def note(ledger: Ledger) -> None:
        ends.append("ledger")
        close(ledger)

    monkeypatch.setattr(Schedule, "stop", fail)
    monkeypatch.setattr(Ledger, "close", note)
    service = Service(config)
    assert service._regular._schedule.next_poll("a") is None

    with pytest.raises(Bug, match="does not stop"), service:
        service.stop()

    assert ends == ["schedule", "ledger"]
    assert service._cutter.finished.is_set()


def test_after_a_request_to_stop_no_further_mailbox_is_polled(
    config: Config, sandbox: Sandbox, signals: Signals
) -> None:
    box = sandbox.mailbox("a@acme.example")

    with Service(config) as service:
        service.stop()
        (polled,) = service.round(config.mailboxes.values(), signals)

    assert (polled.report.outcome, polled.exit_code) == ("stopped", 0)
    assert not box.sessions


def test_a_signal_stops_a_round(config: Config, sandbox: Sandbox, signals: Signals) -> None:
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    halt = sandbox.faults.add(Fault("RETR", Silence(after_octets=10)))

    def interrupt() -> None:
        halt.wait(SOON)
        os.kill(os.getpid(), signal.SIGTERM)
        halt.release()

    threading.Thread(target=interrupt).start()

    with Service(config) as service:
        (polled,) = service.round(config.mailboxes.values(), signals)

    assert signals.stop
    assert polled.report.stored == 1


@pytest.mark.timeout(10)
@pytest.mark.parametrize("interrupted", ["a handler", "the wait"])
def test_a_signal_that_comes_in_the_middle_of_anything_blocks_nothing(
    signals: Signals, interrupted: str
) -> None:
    def interrupt(_frame: object, _event: str, _argument: object) -> Any:
        signals._stopped(signal.SIGTERM, None)
        return interrupt

    sys.settrace(interrupt)
    try:
        if interrupted == "a handler":
            signals._reloaded(signal.SIGHUP, None)
        else:
            signals.wait(0.01)
    finally:
        sys.settrace(None)

    assert signals.stop


def test_a_schedule_that_died_is_a_bug_and_not_a_silent_stop(
    config: Config,
) -> None:
    with Service(config) as service:
        service.start()
        service.tend()
        service._regular._schedule.stop()

        with pytest.raises(Bug, match="schedule"):
            service.tend()


class SetClock(SystemClock):
    """A clock that can be set, as an administrator sets one."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


@pytest.mark.parametrize("step", [timedelta(days=1), timedelta(days=3650)])
def test_a_clock_that_is_set_shortens_no_delay_and_lengthens_none(
    config: Config, monkeypatch: pytest.MonkeyPatch, step: timedelta
) -> None:
    (mailbox,) = config.mailboxes.values()
    mailbox = mailbox.model_copy(update={"every": timedelta(minutes=1)})
    config = config.model_copy(update={"mailboxes": {"a": mailbox}})
    clock = SetClock()

    def fail(_mailbox: Mailbox, _parts: Context) -> Polled:
        error = SinkError("full")
        return Counts("a", clock).polled(error, triage(error))

    monkeypatch.setattr(app, "poll", fail)

    with Service(config, clock=clock) as service:
        service.start()
        service._regular.poll_due(service._regular._watches["a"])
        clock.ahead = step
        service.tend()
        due = service._regular._schedule.next_poll("a")

    assert due is not None
    assert timedelta(minutes=1, seconds=30) < due - clock.now() <= timedelta(minutes=2)


def alike(config: Config, count: int) -> Config:
    """The configuration with so many mailboxes, an hour between the polls of each."""
    (mailbox,) = config.mailboxes.values()
    names = [f"box{number}" for number in range(count)]
    hourly = {
        name: mailbox.model_copy(
            update={"name": name, "address": f"{name}@acme.example", "every": timedelta(hours=1)}
        )
        for name in names
    }
    return config.model_copy(update={"mailboxes": hourly})


def commits(service: Service) -> list[str]:
    """Grows with every commit; nothing is due that is done beside the polls."""
    ledger = service._ledger
    assert isinstance(ledger, Ledger)
    ledger.stagings.note_tidied(ledger.now())
    said: list[str] = []
    ledger._database._connection.set_trace_callback(
        lambda statement: said.append(statement) if statement == "COMMIT" else None
    )
    return said


def test_the_first_polls_of_all_mailboxes_are_noted_in_one_commit(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RegularPolls, "poll_due", lambda *_: None)

    with Service(alike(config, 20)) as service:
        made = commits(service)
        begun = service._clock.now()
        service.start()
        service.tend()
        reports = service._ledger.reports.read()
        assert len(made) == 1

    assert len(reports) == 20
    for report in reports.values():
        assert report.next_poll is not None
        assert timedelta() <= report.next_poll - begun <= timedelta(seconds=31)


def test_when_the_clock_is_set_all_next_polls_are_noted_in_one_commit(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RegularPolls, "poll_due", lambda *_: None)
    clock = SetClock()

    with Service(alike(config, 20), clock=clock) as service:
        service.start()
        service.tend()
        made = commits(service)
        clock.ahead = timedelta(days=1)
        service.tend()
        reports = service._ledger.reports.read()
        assert len(made) == 1

    assert all(report.next_poll and report.next_poll > clock.now() for report in reports.values())


@pytest.mark.timeout(60)
def test_in_a_round_who_gave_way_to_others_is_polled_again_after_them(
    config: Config, sandbox: Sandbox, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "LULL", 0.0)
    monkeypatch.setattr(round_, "_LOOK_AROUND", 0.01)
    config = alike(config, 40)
    config = config.model_copy(update={"service": config.service.model_copy(update={"max_sessions": 3})})
    boxes = [sandbox.mailbox(mailbox.address) for mailbox in config.mailboxes.values()]
    for box in boxes:
        box.deliver(mail.note(1))
    for name in ("box0", "box1"):
        sandbox.faults.add(Fault("LOGIN", Silence(), mailbox=f"{name}@acme.example"))

    def heal() -> None:
        wait_until(lambda: any(session.finished for session in boxes[39].sessions), "the last mailbox")
        sandbox.faults.clear()

    threading.Thread(target=heal).start()

    with capture_logs() as logs, Service(config) as service:
        polls = service.round(config.mailboxes.values(), signals)

    assert [polled.report.outcome for polled in polls] == ["ok"] * 40
    outcomes = [line["outcome"] for line in logs if line["event"] == events.SESSION]
    assert "gave-way" in outcomes


@pytest.mark.timeout(30)
def test_a_round_reports_each_mailbox_for_which_no_thread_can_be_had(
    config: Config, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger(config.service.state_dir).close()
    Shortage(monkeypatch, of_sessions)
    (mailbox,) = config.mailboxes.values()

    with capture_logs() as logs, Service(config) as service:
        polls = service.round([mailbox] * 2, signals)

    assert [(polled.report.outcome, polled.exit_code) for polled in polls] == [("no-thread", 75)] * 2
    assert "TasksMax=" in polls[0].report.detail
    assert [(line["event"], line["mailbox"]) for line in logs] == [(events.POLL_LEFT_OUT, "a")] * 2


@pytest.mark.parametrize(
    ("soft", "hard", "then"),
    [(1024, 10**9, 16384), (1024, 4096, 4096), (65536, 10**9, 65536), (1024, 1024, 1024)],
)
def test_a_service_takes_the_descriptors_it_can_use_and_may_have(
    config: Config, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, then: int
) -> None:
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limits.append(wanted))
    with Service(config):
        assert limits[-1] == (then, hard)
