"""A service that goes on with another configuration: whom that touches, and whom it does not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from mailsluice import app
from mailsluice.app import Service
from mailsluice.auth.credentials import Credentials
from mailsluice.clock import SystemClock
from mailsluice.config.change import Change
from mailsluice.config.models import Config, Mailbox
from mailsluice.errors import SecretError, SinkError
from mailsluice.obs import events
from mailsluice.polling import regular
from mailsluice.session.context import Context
from mailsluice.session.counts import Counts, Polled
from mailsluice.session.triage import triage
from mailsluice_sandbox import Fault, Sandbox, Silence, mail
from support.waiting import wait_until

SOON = 20.0
Make = Callable[..., Config]


@pytest.fixture
def make(config: Config) -> Make:
    """The configuration with these mailboxes; what is told of one is a key and its value, for that alone."""
    (mailbox,) = config.mailboxes.values()

    def make(*names: str, max_sessions: int = 16, **own: dict[str, object]) -> Config:
        boxes = {
            name: mailbox.model_copy(
                update={"name": name, "address": f"{name}@acme.example", **own.get(name, {})}
            )
            for name in names
        }
        service = config.service.model_copy(update={"max_sessions": max_sessions})
        return config.model_copy(update={"mailboxes": boxes, "service": service})

    return make


class Polls:
    """In place of `poll`: each stays until it is asked to end, or let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.under_way: dict[str, Context] = {}
        self.begun: list[Mailbox] = []
        self.inside = 0
        self.let_go: dict[str, threading.Event] = {}
        monkeypatch.setattr(app, "poll", self.poll)

    def poll(self, mailbox: Mailbox, context: Context) -> Polled:
        go = self.let_go.setdefault(mailbox.name, threading.Event())
        self.under_way[mailbox.name] = context
        self.begun.append(mailbox)
        with context.slots.own():
            self.inside += 1
            while not context.stop.is_set() and not go.wait(0.01):
                pass
        return Counts(mailbox.name, context.clock).polled()

    def wait_for(self, *names: str) -> None:
        wait_until(lambda: set(names) <= self.under_way.keys(), f"polls of {names}")


def test_sessions_of_mailboxes_that_are_polled_as_before_go_on(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = Polls(monkeypatch)
    with Service(make("same", "other", "gone")) as service:
        service.start()
        polls.wait_for("same", "other", "gone")
        change = service.follow(make("same", "other", "new", other={"max_per_poll": 5}))
        assert change == Change(frozenset({"new"}), frozenset({"other"}), frozenset({"gone"}))
        asked = {name: context.stop.is_set() for name, context in polls.under_way.items()}
        assert asked.pop("same") is False
        assert asked["gone"]
        polls.wait_for("new")
        wait_until(lambda: any(box.max_per_poll == 5 for box in polls.begun), "the changed one")
    assert [box.name for box in polls.begun].count("same") == 1


def test_due_times_and_delays_of_the_others_are_kept(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    hourly: dict[str, object] = {"every": timedelta(hours=1)}

    def fail(box: Mailbox, context: Context) -> Polled:
        error = SinkError("full")
        return Counts(box.name, context.clock).polled(error, triage(error))

    monkeypatch.setattr(app, "poll", fail)
    with Service(make("a", "b", a=hourly, b=hourly)) as service:
        service.start()
        for name in ("a", "b"):
            service._regular.poll_due(service._regular._watches[name])
        before = {name: service._regular._schedule.next_poll(name) for name in ("a", "b")}
        now = datetime.now(UTC)
        service.follow(make("a", "b", a=hourly, b={"every": timedelta(minutes=30)}))
        after = {name: service._regular._schedule.next_poll(name) for name in ("a", "b")}
        waits = {
            name: service._regular._accounting._pacing.wait(name, service._clock.monotonic())
            for name in ("a", "b")
        }
    assert waits["a"] > timedelta(minutes=1)
    assert waits["b"] == timedelta()
    assert after["a"] == before["a"]
    assert after["b"] is not None
    assert after["b"] - now <= timedelta(seconds=31)


def test_a_configuration_that_is_the_same_changes_nothing(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = Polls(monkeypatch)
    with Service(make("a", "b")) as service:
        service.start()
        polls.wait_for("a", "b")
        for _ in range(3):
            assert service.follow(make("a", "b")) == Change(frozenset(), frozenset(), frozenset())
        assert not any(context.stop.is_set() for context in polls.under_way.values())
        assert len(polls.begun) == 2


def test_a_mailbox_that_changed_in_the_middle_of_a_poll_goes_on_at_once_when_that_has_ended(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = Polls(monkeypatch)
    nightly: dict[str, object] = {"every": None, "cron": "0 6 1 1 *"}
    with Service(make("a")) as service:
        service.start()
        polls.wait_for("a")
        service.follow(make("a", a=nightly))
        wait_until(lambda: len(polls.begun) == 2, "the poll by the new configuration, though not due")
    assert polls.begun[1].cron == "0 6 1 1 *"


def test_a_section_that_is_renamed_in_the_middle_of_a_poll_goes_on_too(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = Polls(monkeypatch)
    renamed: dict[str, object] = {"address": "old@acme.example", "every": timedelta(hours=1)}
    with Service(make("old")) as service:
        service.start()
        polls.wait_for("old")
        service.follow(make("new", new=renamed))
        polls.wait_for("new")


def test_what_waited_for_its_turn_when_it_was_changed_is_polled_at_once(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = Polls(monkeypatch)
    nightly: dict[str, object] = {"every": None, "cron": "0 6 1 1 *"}
    with Service(make("a", "b", max_sessions=1)) as service:
        service.start()
        wait_until(lambda: bool(polls.begun), "one of them")
        first = polls.begun[0].name
        second = "b" if first == "a" else "a"
        lane = service._regular._schedule._pool.lane("entra")
        wait_until(lambda: len(lane.waiting.jobs) == 1, "the other waits")
        service.follow(make("a", "b", max_sessions=1, **{second: nightly}))
        polls.let_go[first].set()
        polls.wait_for(second)


def test_who_should_have_left_is_cut_after_the_grace_and_nobody_else(
    make: Make, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regular, "GRACE", 0.05)
    halts = {}
    for name in ("same", "gone"):
        sandbox.mailbox(f"{name}@acme.example").deliver(mail.note(1))
        halts[name] = sandbox.faults.add(
            Fault("RETR", Silence(after_octets=10), mailbox=f"{name}@acme.example")
        )

    def outcomes() -> dict[str, str]:
        return {line["mailbox"]: line["outcome"] for line in logs if line["event"] == events.SESSION}

    with capture_logs() as logs, Service(make("same", "gone")) as service:
        service.start()
        assert all(halt.wait(SOON) for halt in halts.values())
        service.follow(make("same"))

        def tended() -> bool:
            service.tend()
            return "gone" in outcomes()

        wait_until(tended, "the end of the removed one's session")
        assert outcomes() == {"gone": "stopped"}
        halts["same"].release()
        wait_until(lambda: outcomes().get("same") == "ok", "the other one's session")
        assert service._regular._leaving == []


def test_a_new_mailbox_is_known_to_be_polled_and_a_removed_one_is_not(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = Polls(monkeypatch)
    with Service(make("gone")) as service:
        service.start()
        service.follow(config := make("new"))
        polls.wait_for("new")
        assert polls.under_way["new"].live.keys() == {config.mailboxes["new"].key}


def test_what_the_credentials_are_now_is_known_to_the_polls(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = Polls(monkeypatch)
    with Service(make("a")) as service:
        service.start()
        config = make("new")
        config = config.model_copy(update={"credentials": {**config.credentials}})
        service.follow(config)
        polls.wait_for("new")
        assert polls.under_way["new"].configured is config.credentials


def test_certificates_are_read_anew(make: Make, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    Polls(monkeypatch)
    with Service(make("a")) as service:
        service.start()
        authorities = service._connections.authorities
        before = authorities.context(sandbox.ca_file)
        service.follow(make("a"))
        assert authorities.context(sandbox.ca_file) is not before


def test_a_token_is_gone_on_with(make: Make, sandbox: Sandbox) -> None:
    boxes = [sandbox.mailbox(f"{name}@acme.example") for name in ("a", "b")]
    with Service(make("a")) as service:
        service.start()
        wait_until(lambda: bool(boxes[0].sessions), "a poll")
        service.follow(make("a", "b"))
        wait_until(lambda: bool(boxes[1].sessions), "a poll of the new one")
    assert sandbox.entra.token_requests == 1


def test_other_numbers_of_sessions_are_those_at_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    polls = Polls(monkeypatch)
    with Service(make("a", "b", max_sessions=1)) as service:
        service.start()
        wait_until(lambda: len(polls.begun) == 1, "one")
        service.follow(make("a", "b", max_sessions=2))
        wait_until(lambda: polls.inside == 2, "the other beside it")
        assert not any(context.stop.is_set() for context in polls.under_way.values())


def test_a_configuration_that_cannot_be_followed_changes_nothing(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise SecretError("no keyring")

    first = make("a")
    polls = Polls(monkeypatch)
    with Service(first) as service:
        service.start()
        polls.wait_for("a")
        monkeypatch.setattr(app, "Credentials", fail)
        with pytest.raises(SecretError):
            service.follow(make("b", max_sessions=1))
        assert service.config is first
        assert not polls.under_way["a"].stop.is_set()
        assert service._regular._schedule.next_poll("a") is not None


def test_a_reload_is_refused_if_its_tokens_could_not_be_asked_for(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: Credentials) -> None:
        raise SecretError("no keyring")

    first = make("a")
    polls = Polls(monkeypatch)
    with Service(first) as service:
        service.start()
        polls.wait_for("a")
        monkeypatch.setattr(Credentials, "prepare", missing)
        with pytest.raises(SecretError):
            service.follow(make("b"))
        assert service.config is first


def test_what_status_shows_of_a_removed_mailbox_has_no_next_poll(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    Polls(monkeypatch)
    with Service(make("a", "b")) as service:
        service.start()
        service.follow(make("b"))
        service.tend()
        reports = {report.name: report.next_poll for report in service._ledger.reports.read().values()}
    assert reports["a"] is None
    assert reports["b"] is not None


def test_a_session_that_ends_after_its_mailbox_was_removed_slows_nobody_down(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def fail(box: Mailbox, context: Context) -> Polled:
        entered.set()
        assert leave.wait(SOON)
        error = SinkError("full")
        return Counts(box.name, context.clock).polled(error, triage(error))

    monkeypatch.setattr(app, "poll", fail)
    with Service(make("gone"), clock=SystemClock()) as service:
        service.start()
        assert entered.wait(SOON)
        service.follow(make("b", b={"every": timedelta(hours=1)}))
        leave.set()
        wait_until(lambda: not service._regular._at_work, "its end")
        assert service._regular._accounting._pacing.wait("b", service._clock.monotonic()) == timedelta()
