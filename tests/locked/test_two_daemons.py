"""One daemon for one state directory: two real processes."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from e2e.conftest import Site
from mailsluice_sandbox import Sandbox, mail
from support.program import Daemon, Ended, run_program
from support.waiting import wait_until

pytestmark = pytest.mark.slow


def events(site: Site) -> list[str]:
    return [json.loads(line)["event"] for line in site.log.read_text().splitlines()]


def started(site: Site, times: int = 1) -> None:
    wait_until(lambda: events(site).count("service started") == times, "the service started")


def second(site: Site) -> Ended:
    return run_program("-c", site.config, "run")


def move_state(site: Site, name: str) -> Path:
    text = site.config.read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("state_dir")]
    site.config.write_text(text.replace(line, f'state_dir = "{site.folder}/{name}"'))
    return site.folder / name


def test_a_second_daemon_names_the_first_and_what_to_do_and_ends_with_75(
    site: Site, sandbox: Sandbox
) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        started(site)
        ended = second(site)
        box.deliver(mail.note(1))
        wait_until(lambda: len(site.stored("a")) == 1, "the first one at work still")
        assert daemon.stop() == 0

    assert ended.code == 75
    what, remedy = ended.stderr.splitlines()
    assert what == f"another mailsluice serves the state directory {site.folder}/state: process {daemon.pid}"
    assert f"kill {daemon.pid}" in remedy
    assert ended.stdout == ""


def test_a_poll_by_hand_is_possible_beside_the_daemon(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    site.configure("a", every='"1h"')

    with Daemon(site.config, log=site.log) as daemon:
        started(site)
        wait_until(lambda: run_program("-c", site.config, "poll").code == 0, "a poll by hand")
        assert daemon.stop() == 0

    assert len(site.stored("a")) == 1


def test_a_reload_to_another_state_directory_takes_that_and_frees_the_old_one(
    site: Site, sandbox: Sandbox
) -> None:
    sandbox.mailbox("a@acme.example")
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        started(site)
        move_state(site, "moved")
        daemon.signal(signal.SIGHUP)
        started(site, times=2)
        assert second(site).code == 75
        move_state(site, "state")
        with Daemon(site.config, log=site.folder / "other.log") as other:
            wait_until(
                lambda: "service started" in (site.folder / "other.log").read_text(), "the old one is free"
            )
            assert other.stop() == 0
        assert daemon.stop() == 0


def test_a_reload_to_a_state_directory_that_another_daemon_serves_is_refused_and_the_old_one_stays(
    site: Site, sandbox: Sandbox
) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        started(site)
        moved = move_state(site, "moved")
        with Daemon(site.config, log=site.folder / "other.log") as other:
            wait_until(lambda: "service started" in (site.folder / "other.log").read_text(), "the other")
            daemon.signal(signal.SIGHUP)
            wait_until(lambda: "configuration refused" in events(site), "the refusal")
            assert other.stop() == 0
        box.deliver(mail.note(1))
        wait_until(lambda: len(site.stored("a")) == 1, "the old one at work")
        move_state(site, "state")
        assert second(site).code == 75
        assert daemon.stop() == 0

    assert f"{moved}: process {other.pid}" in site.log.read_text()


def test_a_reload_lets_no_other_daemon_in_though_the_directory_is_called_otherwise(
    site: Site, sandbox: Sandbox
) -> None:
    sandbox.mailbox("a@acme.example")
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        started(site)
        move_state(site, "alias").symlink_to("state")
        daemon.signal(signal.SIGHUP)
        started(site, times=2)
        assert second(site).code == 75
        assert daemon.stop() == 0
