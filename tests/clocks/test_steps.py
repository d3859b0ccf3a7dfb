"""The daemon lives through a wall clock that is set; the server's clock is right all the time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from clocks.wall_clock import WallClock
from e2e.conftest import Site
from mailsluice_sandbox import Sandbox, mail
from mailsluice_sandbox.mailbox import SandboxMailbox
from support.program import Daemon
from support.waiting import wait_until

HOUR, DAY, TEN_YEARS = 3_600, 86_400, 3_652 * 86_400
EVERY_SETTING = (0, -HOUR, 0, DAY, 0, TEN_YEARS, 0, -TEN_YEARS, 0)
"""Where the clock stands, in seconds ahead: by an hour, a day and ten years, backward and forward."""
SETTINGS = EVERY_SETTING if os.environ.get("MAILSLUICE_HOSTILE") == "1" else (0, -HOUR, 0, TEN_YEARS)

INTERVAL = 4.0
LOOK_AROUND = 1.0
"""Seconds after which the daemon notices at the latest."""
TOLERANCE = 1.5
"""With this and the look around, one interval is less than two: a poll that was skipped is seen."""
WINDOW = 2 * INTERVAL
MOST_IN_WINDOW = 4
"""Three fit into two intervals, both ends included; and one that was due when the clock was set."""


def polled_after(box: SandboxMailbox, sessions: int, since: float) -> float:
    """The seconds until the next session."""
    wait_until(lambda: len(box.sessions) > sessions, "the next poll")
    return time.monotonic() - since


def sessions_of(site: Site) -> list[dict[str, object]]:
    lines = map(json.loads, site.log.read_text().splitlines())
    return [line for line in lines if line["event"] == "session"]


def test_the_clock_of_these_tests_sets_the_time_of_day_and_nothing_else(wall_clock: WallClock) -> None:
    script = "import time; print(time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME))"
    wall_clock.set(TEN_YEARS)

    real = [time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)]
    ended = subprocess.run(
        [sys.executable, "-c", script], env=wall_clock.environment, capture_output=True, text=True, check=True
    )

    ahead = [told - known for told, known in zip(map(float, ended.stdout.split()), real, strict=True)]
    assert [round(seconds / DAY) for seconds in ahead] == [3_652, 0, 0]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_polls_go_on_within_an_interval_and_without_a_burst_when_the_clock_is_set(
    site: Site, sandbox: Sandbox, wall_clock: WallClock
) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a", every=f'"{INTERVAL:.0f}s"')
    measured: list[tuple[int, float, int]] = []

    with Daemon(site.config, log=site.log, environment=wall_clock.environment) as daemon:
        wait_until(lambda: len(box.sessions) == 2, "polls before the clock is set")
        for before, after in pairwise(SETTINGS):
            sessions, since = len(box.sessions), time.monotonic()
            wall_clock.set(after)
            first = polled_after(box, sessions, since)
            wait_until(lambda since=since: time.monotonic() >= since + WINDOW, "the window")  # type: ignore[misc]
            measured.append((after - before, first, len(box.sessions) - sessions))
        box.deliver(mail.note(1))
        wait_until(lambda: len(site.stored("a")) == 1, "mail still stored")
        assert daemon.stop() == 0

    for step, first, sessions in measured:
        print(f"step {step:+12d} s: next poll after {first:.2f} s, {sessions} in {WINDOW:.0f} s")
    assert max(first for _, first, _ in measured) <= INTERVAL + LOOK_AROUND + TOLERANCE
    assert max(sessions for _, _, sessions in measured) <= MOST_IN_WINDOW
    assert {line["outcome"] for line in sessions_of(site)} == {"ok"}
    # A clock set forward ends a token: the machine may have slept. Set back, it makes no token young.
    forward = sum(step > 0 for step, _, _ in measured)
    assert sandbox.entra.token_requests <= 1 + forward
