"""How long mail stays on the server is measured by the time that passed, not by what the clock was set to."""

from __future__ import annotations

import os
import time

import pytest

from clocks.wall_clock import WallClock
from e2e.conftest import Site
from mailsluice_sandbox import Sandbox, mail
from support.program import Daemon
from support.waiting import wait_until

HOUR, DAY, TEN_YEARS = 3_600, 86_400, 3_652 * 86_400
STEPS = (
    (HOUR, -HOUR, DAY, -DAY, TEN_YEARS, -TEN_YEARS)
    if os.environ.get("MAILSLUICE_HOSTILE") == "1"
    else (DAY, -DAY)
)
AGE = 8.0
"""Seconds that a message is to stay."""


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_mail_stays_for_its_age_and_no_longer_whatever_the_clock_is_set_to(
    site: Site, sandbox: Sandbox, wall_clock: WallClock, step: int
) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a", every='"1s"', leave_on_server=f'"{AGE:.0f}s"')

    with Daemon(site.config, log=site.log, environment=wall_clock.environment) as daemon:
        wait_until(lambda: len(box.sessions) > 0, "the first poll")
        box.deliver(mail.note(1))
        delivered = time.monotonic()
        wait_until(lambda: '"stored": 1' in site.log.read_text(), "stored and recorded")
        wall_clock.set(step)
        sessions = len(box.sessions)
        wait_until(lambda: len(box.sessions) >= sessions + 2, "two more polls")
        assert box.remaining() or time.monotonic() - delivered >= AGE
        wait_until(lambda: not box.remaining(), "deleted when its age had come")
        assert time.monotonic() - delivered >= AGE
        assert daemon.stop() == 0
