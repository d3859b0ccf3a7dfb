"""Mailboxes that hang, and how their siblings are polled meanwhile: hours of the daemon on a simulated clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from structlog.testing import capture_logs

from mailsluice.config.models import Mailbox
from mailsluice.errors import Phase, ServerUnreachable
from mailsluice.net.connections import Connections
from mailsluice.obs import events
from mailsluice.outcome import Answer
from mailsluice.polling.answers import LULL, Answers
from mailsluice.polling.giving_way import let_give_way
from support.day import Day, LeapingClock
from support.hour import ALLOWED, Hour, Server
from support.tenants import Tenants

pytestmark = pytest.mark.timeout(120)

PROMPT: dict[Phase, float] = {Phase.AUTH: 1.0}
HANGS: dict[Phase, float] = {Phase.AUTH: inf}
SLOW: dict[Phase, float] = {
    phase: 0.8 * ALLOWED[phase] for phase in (Phase.GREETING, Phase.AUTH, Phase.LISTING)
}
"""A server that needs 80 % of each deadline."""

SLOWED = {events.CREDENTIAL_SLOWED, events.CREDENTIAL_RECOVERED}


def hour(folder: Path, server: Server, *, mailboxes: int, max_sessions: int = 16) -> Hour:
    """An hour of so many mailboxes of one credential, each polled every minute."""
    tenants = Tenants(folder, max_sessions=max_sessions)
    tenants.add("acme", mailboxes, every="60s")
    return Hour(tenants.config(), server)


def number(name: str) -> int:
    return int(name.rpartition("-")[2])


def names(numbers: Sequence[int]) -> list[str]:
    return [f"acme-{each}" for each in numbers]


@pytest.mark.slow
def test_a_third_that_hangs_makes_no_other_mailbox_more_than_one_interval_late(tmp_path: Path) -> None:
    def server(name: str, _: float) -> dict[Phase, float]:
        return HANGS if number(name) % 3 == 0 else PROMPT

    with capture_logs() as logs:
        day = hour(tmp_path, server, mailboxes=300).run(26)

    healthy = names([each for each in range(300) if each % 3])
    served = sum(len(day.served(name)) for name in healthy)
    gap = max(day.longest_gap(name) for name in healthy)
    print(f"{served} of {200 * 26} polls, at most {gap:.0f} s apart")
    assert gap <= 2 * 60
    assert served >= 0.99 * 200 * 26
    assert not [line for line in logs if line["event"] in SLOWED]
    assert all(day.longest_wait(name) <= 20 * 60 for name in names(range(0, 300, 3)))


@pytest.mark.slow
def test_when_a_third_falls_silent_at_once_no_other_mailbox_is_more_than_one_interval_late(
    tmp_path: Path,
) -> None:
    def server(name: str, now: float) -> dict[Phase, float]:
        return HANGS if now > 301 and number(name) % 3 == 0 else PROMPT

    with capture_logs() as logs:
        day = hour(tmp_path, server, mailboxes=300).run(12)

    assert max(day.longest_gap(f"acme-{each}") for each in range(300) if each % 3) <= 2 * 60
    assert not [line for line in logs if line["event"] in SLOWED]


def test_each_mailbox_that_hangs_is_given_its_full_time_every_quarter_of_an_hour(tmp_path: Path) -> None:
    def server(name: str, _: float) -> dict[Phase, float]:
        return HANGS if number(name) < 6 else PROMPT

    day = hour(tmp_path, server, mailboxes=24, max_sessions=4).run(60)

    for name in names(range(6)):
        times = [0.0, *day.full(name, 120), 60 * 60]
        assert max(b - a for a, b in pairwise(times)) <= 15 * 60 + 180
    assert max(day.longest_gap(name) for name in names(range(6, 24))) <= 2 * 60


@pytest.mark.slow
def test_a_host_that_was_silent_for_ten_minutes_is_polled_as_usual_one_interval_after_its_first_answer(
    tmp_path: Path,
) -> None:
    back = 15 * 60

    def server(_: str, now: float) -> dict[Phase, float]:
        return HANGS if 301 < now < back else PROMPT

    day = hour(tmp_path, server, mailboxes=100).run(40)

    first = min(time for name in day.polls for time in day.served(name) if time > 301)
    late = {name: min(time for time in day.served(name) if time >= first) - first for name in day.polls}
    print(
        f"first answer {first - back:.0f} s after it is back; the last mailbox {max(late.values()):.0f} s later"
    )
    assert len(late) == 100
    assert max(late.values()) <= 60 + 15
    assert max(day.longest_gap(name, since=first + 60) for name in day.polls) <= 2 * 60
    assert not any(outcome == "gave-way" for polls in day.polls.values() for _, _, outcome in polls)


def test_mailboxes_put_off_while_their_host_was_unreachable_come_at_their_next_time_once_it_is_back(
    tmp_path: Path,
) -> None:
    tenants = Tenants(tmp_path)
    tenants.add("acme", 20, every="60s")
    down, back = timedelta(minutes=5), timedelta(minutes=50)

    def server(_: Mailbox, now: timedelta) -> ServerUnreachable | None:
        return ServerUnreachable("no route", phase=Phase.CONNECT) if down < now < back else None

    day = Day().run(tenants.config(), server, hours=1.2)

    late = [min(time for time in times if time >= back) for times in day.attempts.values()]
    assert len(late) == 20
    assert max(late) - min(late) <= timedelta(minutes=1)


@pytest.mark.parametrize("phase", Phase)
def test_sessions_give_way_but_for_those_that_delete(tmp_path: Path, phase: Phase) -> None:
    tenants = Tenants(tmp_path)
    tenants.add("acme", 3, every="60s")
    answers, clock, ended = Answers(tenants.config().mailboxes.values()), LeapingClock(), list[float]()
    connections = [SimpleNamespace(owner=f"acme-{each}", give_way=ended.append) for each in (0, 1)]
    waits = SimpleNamespace(waiting=lambda: [(each, phase, 1.0) for each in connections])
    answers.begin("acme-2", 2.0)
    answers.end("acme-2", Answer.GIVEN, served=True)

    for seconds in (10.0, 10.0 + LULL):
        clock.passed = timedelta(seconds=seconds)
        let_give_way(cast("Connections", waits), answers, ["acme-2"], 2, clock)

    assert ended == ([] if phase in {Phase.DELETE, Phase.QUIT} else [1.0])


def test_a_server_that_needs_four_fifths_of_each_deadline_is_served_again_after_one_time_out(
    tmp_path: Path,
) -> None:
    def server(name: str, now: float) -> dict[Phase, float]:
        if name != "acme-0":
            return PROMPT
        return HANGS if now < 60 else SLOW

    day = hour(tmp_path, server, mailboxes=8, max_sessions=2).run(20)

    assert [outcome for _, _, outcome in day.polls["acme-0"]][:2] == ["deadline-exceeded", "ok"]
    assert max(day.longest_gap(name) for name in names(range(1, 8))) <= 2 * 60


@pytest.mark.slow
def test_a_server_that_needs_four_fifths_is_served_even_among_many_that_hang(tmp_path: Path) -> None:
    def server(name: str, _: float) -> dict[Phase, float]:
        if name == "acme-0":
            return SLOW
        return HANGS if number(name) < 10 else PROMPT

    day = hour(tmp_path, server, mailboxes=60, max_sessions=4).run(60)

    print(day.polls["acme-0"])
    assert day.longest_gap("acme-0") <= 30 * 60
    assert max(day.longest_gap(name) for name in names(range(10, 60))) <= 2 * 60


def test_where_every_server_is_slow_none_gives_way(tmp_path: Path) -> None:
    """An ordinary bad day: all logins take ten seconds, and there are not sessions enough."""
    day = hour(tmp_path, lambda *_: {Phase.AUTH: 10.0}, mailboxes=40, max_sessions=4).run(10)

    outcomes = {outcome for polls in day.polls.values() for _, _, outcome in polls}
    assert outcomes <= {"ok", "stopped"}


def test_one_silent_poll_costs_its_mailbox_two_intervals_and_the_others_nothing(tmp_path: Path) -> None:
    def server(name: str, now: float) -> dict[Phase, float]:
        return HANGS if name == "acme-0" and 120 < now < 180 else PROMPT

    day = hour(tmp_path, server, mailboxes=8, max_sessions=2).run(12)

    assert day.longest_gap("acme-0") <= 60 + 120 + 120 + 60
    assert max(day.longest_gap(name) for name in names(range(1, 8))) <= 61


@pytest.mark.parametrize("max_sessions", [1, 2, 3])
def test_with_few_sessions_a_mailbox_that_hangs_delays_the_others_by_its_deadline_at_most(
    tmp_path: Path, max_sessions: int
) -> None:
    def server(name: str, _: float) -> dict[Phase, float]:
        return HANGS if number(name) < 2 else PROMPT

    day = hour(tmp_path, server, mailboxes=8, max_sessions=max_sessions).run(60)

    most = 60 + 120 + 15 if max_sessions == 1 else 2 * 60
    known = 600  # with one session they look like a tenant that hangs, until another one has its turn
    assert max(day.longest_gap(name, since=known) for name in names(range(2, 8))) <= most
