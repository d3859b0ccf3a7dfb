"""`mailsluice status` beside a daemon: that it runs, what it does now, and by which configuration."""

from __future__ import annotations

import json
import signal
from typing import Any

from e2e.conftest import Site, wait_until
from mailsluice_sandbox import Fault, Sandbox, Silence, mail
from support.program import Daemon, run_program


def status(site: Site) -> dict[str, Any]:
    ended = run_program("-c", site.config, "status", "--json")
    assert ended.code == 0
    return dict(json.loads(ended.stdout))


def daemon_of(site: Site) -> dict[str, Any]:
    return dict(status(site)["daemon"])


def test_a_poll_under_way_is_shown_with_its_phase_messages_and_octets(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    for number in range(3):
        box.deliver(mail.sample(number))
    halt = sandbox.faults.add(Fault("RETR", Silence(after_octets=10), skip=1))
    site.configure("a")

    def running() -> dict[str, Any] | None:
        (row,) = status(site)["mailboxes"]
        return row["running"]  # type: ignore[no-any-return]

    with Daemon(site.config, log=site.log) as daemon:
        assert halt.wait(20)
        wait_until(lambda: (now := running()) is not None and now["message"] == 1, "one of three has come")
        now = running()
        halt.release()
        wait_until(lambda: running() is None, "its end")
        assert daemon.stop() == 0

    assert now is not None
    assert (now["phase"], now["messages"], now["octets"]) == ("retrieve", 3, len(mail.sample(0)))


def test_the_daemon_is_shown_with_its_process_and_its_configuration(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example")
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: daemon_of(site)["pid"] == daemon.pid, "the daemon")
        first = daemon_of(site)
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: daemon_of(site)["configuration"] != first["configuration"], "the reload")
        second = daemon_of(site)
        assert daemon.stop() == 0

    assert first["configuration"] == {"files": [str(site.config)], "since": first["configuration"]["since"]}
    assert second["since"] == first["since"] < second["configuration"]["since"]
    assert second["refused"] is None


def test_a_daemon_that_was_killed_is_not_shown_whatever_it_left(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    halt = sandbox.faults.add(Fault("RETR", Silence()))
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        assert halt.wait(20)
        wait_until(lambda: status(site)["mailboxes"][0]["running"] is not None, "the poll")
        daemon.kill()

    shown = status(site)
    assert (site.folder / "state" / "daemon.json").exists()
    assert shown["daemon"]["running"] is False
    assert shown["mailboxes"][0]["running"] is None
    assert run_program("-c", site.config, "status").stdout.startswith("daemon: not running\n")


def test_a_configuration_that_was_refused_is_shown_until_one_comes_into_force(
    site: Site, sandbox: Sandbox
) -> None:
    sandbox.mailbox("a@acme.example")
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: daemon_of(site)["pid"] is not None, "the daemon")
        site.configure("a", evry='"1s"')
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: "configuration refused" in site.log.read_text(), "the refusal")
        site.configure("a")  # right again, but nobody has told the daemon
        wait_until(lambda: daemon_of(site)["refused"] is not None, "the refusal in the status")
        refused = daemon_of(site)["refused"]
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: daemon_of(site)["refused"] is None, "the reload")
        assert daemon.stop() == 0

    assert any("defaults.evry" in mistake for mistake in refused["mistakes"])
    assert "SIGHUP" in refused["remedy"]


def test_a_poll_by_hand_is_no_daemon(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    site.configure("a")

    assert run_program("-c", site.config, "poll").code == 0

    assert not (site.folder / "state" / "daemon.json").exists()
    assert daemon_of(site)["running"] is False
