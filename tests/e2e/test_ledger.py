"""A ledger that is changed under the daemon: it is noticed, and no message is lost or comes twice."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.conftest import Site, wait_until
from mailsluice_sandbox import Sandbox, SandboxMailbox, mail
from support.program import Daemon, run_program

pytestmark = pytest.mark.slow


def events(site: Site) -> list[str]:
    return [json.loads(line)["event"] for line in site.log.read_text().splitlines()]


@pytest.fixture
def box(site: Site, sandbox: Sandbox) -> SandboxMailbox:
    """A mailbox whose mail is kept on the server; one message is in it."""
    box = sandbox.mailbox("a@acme.example")
    box.deliver(mail.note(1))
    site.configure("a", leave_on_server="true")
    return box


def started(site: Site, times: int) -> None:
    wait_until(lambda: events(site).count("service started") == times, f"started {times} times")


def stored(site: Site, messages: int) -> None:
    wait_until(lambda: len(site.stored("a")) == messages, f"{messages} stored")


def state(site: Site) -> Path:
    return site.folder / "state"


def remove_log(state: Path) -> None:
    (state / "ledger.db-wal").unlink()


def restore(state: Path) -> None:
    """Another file with the same content in the place of each, and no log."""
    copy = state.with_name("copy")
    assert run_program("-c", state.with_name("mailsluice.toml"), "backup", copy).code == 0
    for name in ("ledger.db", "ledger.id"):
        (copy / name).replace(state / name)


@pytest.mark.parametrize("change", [remove_log, restore])
def test_a_ledger_that_is_changed_under_the_daemon_is_opened_anew_and_nothing_comes_twice(
    site: Site, box: SandboxMailbox, change: Callable[[Path], None]
) -> None:
    with Daemon(site.config, log=site.log) as daemon:
        stored(site, 1)
        change(state(site))
        started(site, 2)
        box.deliver(mail.note(2))
        stored(site, 2)
        assert daemon.stop() == 0

    assert events(site).count("ledger replaced") == 1
    assert run_program("-c", site.config, "poll").code == 0
    assert sorted(site.stored("a")) == sorted([mail.note(1), mail.note(2)])


def test_a_ledger_that_is_removed_under_the_daemon_is_waited_for_and_told_of(
    site: Site, box: SandboxMailbox
) -> None:
    with Daemon(site.config, log=site.log) as daemon:
        stored(site, 1)
        shutil.move(state(site), site.folder / "away")
        wait_until(lambda: "ledger not reopened" in events(site), "told of")
        box.deliver(mail.note(2))
        assert daemon.stop() == 0

    assert not state(site).exists()
    assert len(site.stored("a")) == 1
    told = [json.loads(line) for line in site.log.read_text().splitlines() if "not reopened" in line]
    assert told[0]["error"] == f"the state directory {state(site)} is gone"


def test_a_ledger_that_is_put_back_is_taken_at_a_signal_to_reload_without_waiting(
    site: Site, box: SandboxMailbox
) -> None:
    with Daemon(site.config, log=site.log) as daemon:
        stored(site, 1)
        shutil.move(state(site), site.folder / "away")
        wait_until(lambda: "ledger not reopened" in events(site), "told of")
        shutil.move(site.folder / "away", state(site))
        daemon.signal(signal.SIGHUP)
        started(site, 2)
        box.deliver(mail.note(2))
        stored(site, 2)
        assert daemon.stop() == 0

    assert sorted(site.stored("a")) == sorted([mail.note(1), mail.note(2)])
