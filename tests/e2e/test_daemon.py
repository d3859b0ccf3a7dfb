"""`mailsluice run`, as systemd runs it: a process, signals, and files."""

from __future__ import annotations

import json
import signal
from typing import Any

from e2e.conftest import Site, wait_until
from mailsluice_sandbox import Close, Fault, Sandbox, Silence, mail
from mailsluice_sandbox.faults import SERVER_UNAVAILABLE
from support.program import Daemon, run_program


def test_mail_that_arrives_while_the_daemon_runs_is_stored_once(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        for number in range(3):
            box.deliver(mail.sample(number))
            wait_until(lambda: not box.remaining(), "stored and deleted")
        assert daemon.stop() == 0

    assert sorted(site.stored("a")) == sorted(mail.sample(number) for number in range(3))
    assert set(box.retrieved.values()) == {1}
    assert box.remaining() == ()


def test_sigterm_lets_the_message_in_flight_arrive_and_ends_with_0(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    for number in range(3):
        box.deliver(mail.sample(number))
    halt = sandbox.faults.add(Fault("RETR", Silence(after_octets=100)))
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        assert halt.wait(20)
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: "service stopping" in site.log.read_text(), "SIGTERM noticed")
        halt.release()
        assert daemon.wait() == 0

    assert site.stored("a") == [mail.sample(0)]
    assert box.sessions[0].finished
    assert box.sessions[0].deleted == box.sessions[0].retrieved
    assert len(box.remaining()) == 2


def test_a_failing_mailbox_does_not_stop_the_others(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("bad@acme.example").full_access = False
    good = sandbox.mailbox("good@acme.example")
    site.configure("bad", "good")

    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: "login-refused" in site.log.read_text(), "the bad one failed")
        good.deliver(mail.note(1))
        wait_until(lambda: len(site.stored("good")) == 1, "the good one stored")
        assert daemon.stop() == 0


def test_a_mailbox_heals_by_itself_when_the_server_does(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    box.deliver(mail.note(1))
    sandbox.faults.add(Fault("LOGIN", SERVER_UNAVAILABLE, times=2))
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: len(site.stored("a")) == 1, "stored after two failures")
        assert daemon.stop() == 0


def test_sighup_takes_a_new_mailbox_in(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example")
    new = sandbox.mailbox("b@acme.example")
    new.deliver(mail.note(1))
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: '"session"' in site.log.read_text(), "the first poll")
        site.configure("a", "b")
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: len(site.stored("b")) == 1, "the new mailbox polled")
        assert daemon.stop() == 0


def test_a_wrong_configuration_at_sighup_is_reported_and_the_old_one_stays(
    site: Site, sandbox: Sandbox
) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: '"session"' in site.log.read_text(), "the first poll")
        site.configure("a", evry='"1s"')
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: "configuration refused" in site.log.read_text(), "the refusal")
        box.deliver(mail.note(1))
        wait_until(lambda: len(site.stored("a")) == 1, "the old configuration at work")
        assert daemon.stop() == 0

    assert "defaults.evry" in site.log.read_text()


def test_a_configuration_that_a_group_may_write_is_warned_of_at_the_start_and_at_sighup_and_at_no_poll(
    site: Site, sandbox: Sandbox
) -> None:
    sandbox.mailbox("a@acme.example")
    site.configure("a")
    site.config.chmod(0o664)

    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: site.log.read_text().count('"session"') > 1, "two polls")
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: "configuration reloaded" in site.log.read_text(), "the reload")
        assert daemon.stop() == 0

    assert site.log.read_text().count(f"{site.config} can be written by the group") == 2


def test_a_configuration_that_everybody_may_write_is_not_taken_at_sighup(
    site: Site, sandbox: Sandbox
) -> None:
    sandbox.mailbox("a@acme.example")
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: '"session"' in site.log.read_text(), "the first poll")
        site.config.chmod(0o646)
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: "configuration refused" in site.log.read_text(), "the refusal")
        assert daemon.stop() == 0

    assert f"chmod o-w {site.config}" in site.log.read_text()


def test_a_state_directory_that_cannot_be_used_at_sighup_is_reported_and_the_old_one_stays(
    site: Site, sandbox: Sandbox
) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: '"session"' in site.log.read_text(), "the first poll")
        in_the_way = site.folder / "file"
        in_the_way.touch()
        site.config.write_text(site.config.read_text().replace(f"{site.folder}/state", f"{in_the_way}/state"))
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: "configuration refused" in site.log.read_text(), "the refusal")
        box.deliver(mail.note(1))
        wait_until(lambda: len(site.stored("a")) == 1, "the old state directory at work")
        assert daemon.stop() == 0


def test_after_a_kill_the_next_start_loses_and_repeats_nothing(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    for number in range(5):
        box.deliver(mail.sample(number))
    halt = sandbox.faults.add(Fault("RETR", Silence(after_octets=100), skip=3))
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        assert halt.wait(20)
        daemon.kill()
    sandbox.faults.clear()
    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: len(site.stored("a")) == 5 and not box.remaining(), "all stored")
        assert daemon.stop() == 0

    assert sorted(site.stored("a")) == sorted(mail.sample(number) for number in range(5))


def test_each_session_is_one_line_of_json(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: '"session"' in site.log.read_text(), "the first poll")
        daemon.stop()

    sessions = [
        line for line in map(json.loads, site.log.read_text().splitlines()) if line["event"] == "session"
    ]
    first = sessions[0]
    assert (first["mailbox"], first["listed"], first["stored"], first["deleted"], first["outcome"]) == (
        "a",
        1,
        1,
        1,
        "ok",
    )
    assert first["bytes"] == len(mail.note(1))


def test_status_can_be_asked_while_the_daemon_runs(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    site.configure("a")

    def status() -> dict[str, Any]:
        (row,) = json.loads(run_program("-c", site.config, "status", "--json").stdout)["mailboxes"]
        return dict(row)

    with Daemon(site.config, log=site.log):
        wait_until(lambda: '"session"' in site.log.read_text(), "the first poll")
        wait_until(lambda: status()["outcome"] == "ok", "its report, which is written a second later")
        wait_until(
            lambda: status()["next_poll"] > status()["last_success"], "the next poll, in a later report"
        )
        row = status()

    assert row["mailbox"] == "a"
    assert row["stored"] == 1


def test_a_second_poll_of_a_mailbox_that_is_being_polled_is_refused(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    halt = sandbox.faults.add(Fault("RETR", Silence()))
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        assert halt.wait(20)
        ended = run_program("-c", site.config, "poll", "--json")
        halt.release()
        assert daemon.stop() == 0

    assert ended.code == 75
    assert json.loads(ended.stdout)[0]["outcome"] == "mailbox-locked"
    assert str(daemon.pid) in ended.stdout


def test_a_connection_that_breaks_costs_no_message_that_was_whole(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    for number in range(4):
        box.deliver(mail.sample(number))
    sandbox.faults.add(Fault("RETR", Close(after_octets=50), skip=2))
    site.configure("a", every='"1h"')

    ended = run_program("-c", site.config, "poll", "--json")

    assert ended.code == 75
    assert json.loads(ended.stdout)[0]["outcome"] == "connection-lost"
    assert site.stored("a") == [mail.sample(0), mail.sample(1)]
    assert len(box.remaining()) == 4
