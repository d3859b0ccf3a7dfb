"""Tenants that throttle and tenants that hang, and what becomes of the others' mailboxes."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from structlog.testing import capture_logs

from mailsluice import app
from mailsluice.app import Service
from mailsluice.config.models import Mailbox
from mailsluice.errors import LoginRefused, MailsluiceError, Phase
from mailsluice.ledger.ledger import Ledger
from mailsluice.obs import events
from mailsluice.polling.pacing import LONGEST_DELAY
from mailsluice.session.context import Context
from mailsluice.session.counts import Counts, Polled
from mailsluice_sandbox import Fault, Sandbox, Silence
from mailsluice_sandbox.faults import AUTHENTICATION_FAILURE, SERVER_UNAVAILABLE
from support.day import START, Day
from support.extent import FULL
from support.tenants import Tenants
from support.waiting import wait_until

MAILBOXES = 100 if FULL else 20
PER_DAY = 24 * 60
MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.timeout(600 if FULL else 60)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def refused(reply: str) -> LoginRefused:
    return LoginRefused("the login was refused", phase=Phase.AUTH, reply=reply)


def show(what: str, day: Day) -> None:
    fewest, most = day.each("acme")
    print(
        f"{what}: {day.count('acme')} attempts, {fewest} to {most} a mailbox, at most"
        f" {day.busiest_minute('acme')} a minute, {day.longest_gap('acme').total_seconds() / 60:.1f} min apart"
    )


@pytest.fixture
def tenants(tmp_path: Path) -> Tenants:
    tenants = Tenants(tmp_path)
    tenants.add("acme", MAILBOXES, every="1m")
    tenants.add("other", 1, every="1m")
    return tenants


@pytest.mark.slow
@pytest.mark.parametrize("reply", [SERVER_UNAVAILABLE.text, AUTHENTICATION_FAILURE.text])
def test_a_tenant_that_throttles_all_day_is_asked_every_quarter_of_an_hour_and_hardly_more(
    tenants: Tenants, reply: str
) -> None:
    day = Day().run(tenants.config(), lambda box, _: refused(reply) if box.credential == "acme" else None)

    show(reply, day)
    fewest, most = day.each("acme")
    assert fewest >= 95  # 96 quarters of an hour less the first, which begins with a slow-down
    assert most <= 120
    assert day.longest_gap("acme") <= LONGEST_DELAY
    assert set(day.each("other")) <= {PER_DAY, PER_DAY + 1}


@pytest.mark.slow
def test_a_tenant_that_stops_throttling_is_polled_as_usual_a_quarter_of_an_hour_later(
    tenants: Tenants,
) -> None:
    healed = timedelta(hours=12)

    def server(box: Mailbox, passed: timedelta) -> MailsluiceError | None:
        throttled = box.credential == "acme" and passed < healed
        return refused(SERVER_UNAVAILABLE.text) if throttled else None

    with capture_logs() as logs:
        day = Day().run(tenants.config(), server, hours=14)

    show("throttles for 12 of 14 hours", day)
    told = [line["event"] for line in logs if line.get("credential") == "acme"]
    assert told == [events.CREDENTIAL_SLOWED, events.CREDENTIAL_RECOVERED]
    assert day.longest_gap("acme", after=healed + LONGEST_DELAY + MINUTE) <= MINUTE


@pytest.mark.slow
def test_a_tenant_that_refuses_every_other_login_is_asked_less_and_never_given_up(tenants: Tenants) -> None:
    chance = Random(3)

    def server(box: Mailbox, _: timedelta) -> MailsluiceError | None:
        unlucky = box.credential == "acme" and chance.random() < 0.5
        return refused(AUTHENTICATION_FAILURE.text) if unlucky else None

    with capture_logs() as logs:
        day = Day().run(tenants.config(), server)

    show("refuses every other login", day)
    good = sum(day.outcomes[name].count("ok") for name in day.outcomes if name != "other-0")
    print(sum(line["event"] == events.CREDENTIAL_SLOWED for line in logs), "slow-downs,", good, "good ones")
    assert day.count("acme") < MAILBOXES * PER_DAY / 2
    assert day.each("acme")[0] >= 4 * 24
    assert good >= MAILBOXES * 4 * 24 / 2
    assert day.longest_gap("acme") <= LONGEST_DELAY
    assert set(day.each("other")) <= {PER_DAY, PER_DAY + 1}


@pytest.mark.slow
def test_a_tenant_that_allows_fewer_logins_than_there_are_is_asked_for_few_more(tenants: Tenants) -> None:
    allowed = MAILBOXES * 3 // 10
    served: dict[int, int] = defaultdict(int)

    def server(box: Mailbox, passed: timedelta) -> MailsluiceError | None:
        if box.credential != "acme":
            return None
        served[minute := passed // MINUTE] += 1
        return refused(SERVER_UNAVAILABLE.text) if served[minute] > allowed else None

    day = Day().run(tenants.config(), server)

    show(f"allows {allowed} logins a minute", day)
    good = sum(outcomes.count("ok") for outcomes in day.outcomes.values()) - day.count("other")
    print(good, "good ones")
    assert day.count("acme") <= MAILBOXES * PER_DAY * 0.4
    assert good >= MAILBOXES * PER_DAY * 0.15
    assert day.longest_gap("acme") <= LONGEST_DELAY


@pytest.mark.slow
def test_two_mailboxes_that_nobody_may_open_slow_no_other_mailbox_down(tenants: Tenants) -> None:
    def server(box: Mailbox, _: timedelta) -> MailsluiceError | None:
        return refused(AUTHENTICATION_FAILURE.text) if box.name in {"acme-3", "acme-4"} else None

    hours = 24 if FULL else 6
    day = Day().run(tenants.config(), server, hours=hours)

    good = {name: len(times) for name, times in day.attempts.items() if name not in {"acme-3", "acme-4"}}
    assert min(good.values()) >= hours * 60 - 5
    for closed in ("acme-3", "acme-4"):
        assert hours * 4 <= len(day.attempts[closed]) <= hours * 5 + 5
    assert day.longest_gap("acme") <= LONGEST_DELAY


@pytest.mark.slow
def test_a_day_of_a_throttling_sandbox(tmp_path: Path, sandbox: Sandbox) -> None:
    tenants = Tenants(tmp_path)
    names = tenants.add("acme", 20 if FULL else 4, every="1m", sandbox=sandbox)
    with Sandbox() as elsewhere:
        tenants.add("other", 1, every="10m", sandbox=elsewhere)
        fault = sandbox.faults.add(Fault("LOGIN", SERVER_UNAVAILABLE, times=None))
        day = Day().run(tenants.config())

    show(f"sandbox, {len(names)} mailboxes", day)
    assert fault.fired == day.count("acme")
    assert day.each("acme")[0] >= 95
    assert day.longest_gap("acme") <= LONGEST_DELAY
    assert day.outcomes["other-0"] == ["ok"] * len(day.attempts["other-0"])
    assert len(day.attempts["other-0"]) >= 24 * 6


def test_status_shows_until_when_the_mailboxes_of_a_throttled_tenant_are_put_off(tmp_path: Path) -> None:
    tenants = Tenants(tmp_path)
    names = tenants.add("acme", 4, every="1m")
    tenants.add("other", 1, every="1m")
    config = tenants.config()

    def server(box: Mailbox, _: timedelta) -> MailsluiceError | None:
        return refused(SERVER_UNAVAILABLE.text) if box.credential == "acme" else None

    with capture_logs() as logs:
        day = Day().run(config, server, hours=1 / 60)

    (slowed,) = (line for line in logs if line["event"] == events.CREDENTIAL_SLOWED)
    assert (slowed["credential"], "throttles" in slowed["cause"]) == ("acme", True)
    waiting = [name for name in names if name not in day.attempts]
    assert len(waiting) == 2
    with Ledger(config.service.state_dir, read_only=True) as ledger:
        next_polls = {report.name: report.next_poll for report in ledger.reports.read().values()}
    assert min(next_polls[name] or START for name in waiting) >= datetime.fromisoformat(slowed["until"])
    assert (next_polls["other-0"] or START) - START < 2 * MINUTE


class Polls:
    """In place of `poll`: those of one tenant hang until let go, the others are noted."""

    def __init__(self, hanging: str) -> None:
        self._hanging = hanging
        self.go = threading.Event()
        self.hung = 0
        self.times: dict[str, list[float]] = defaultdict(list)

    def poll(self, mailbox: Mailbox, context: Context) -> Polled:
        if mailbox.credential == self._hanging:
            self.hung += 1
            self.go.wait()
        self.times[mailbox.name].append(time.monotonic())
        return Counts(mailbox.name, context.clock).polled()


@pytest.mark.slow
def test_a_tenant_that_hangs_delays_no_mailbox_of_another_by_more_than_one_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants = Tenants(tmp_path, max_sessions=16)
    tenants.add("acme", 100, every="1s")
    others = tenants.add("other", 20, every="3s")
    polls = Polls("acme")
    monkeypatch.setattr(app, "poll", polls.poll)

    with Service(tenants.config()) as service:
        service.start()
        wait_until(lambda: all(len(polls.times[name]) >= 4 for name in others), "four polls of each")
        hung = polls.hung
        polls.go.set()

    assert hung == 8
    gaps = [later - earlier for name in others for earlier, later in pairwise(polls.times[name][:4])]
    print(f"{len(gaps)} polls at most {max(gaps):.2f} s apart, every 3 s")
    assert max(gaps) <= 6


def test_a_server_that_hangs_at_login_for_one_tenant_is_polled_for_the_other(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "GRACE", 0.05)
    tenants = Tenants(tmp_path, max_sessions=4)
    for name in tenants.add("acme", 8, every="1s", sandbox=sandbox):
        sandbox.faults.add(Fault("LOGIN", Silence(), mailbox=f"{name}@acme.example", times=None))
    tenants.add("other", 1, every="1s", sandbox=sandbox)
    other = sandbox.mailbox("other-0@acme.example")

    with Service(tenants.config()) as service:
        service.start()
        wait_until(lambda: sum(session.finished for session in other.sessions) >= 3, "three polls")
