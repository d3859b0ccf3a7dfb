"""SIGHUP on the days of an office: it touches what has changed, and nothing else."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import Site, wait_until
from mailsluice_sandbox import Fault, Sandbox, Silence, mail
from support.program import Daemon

BERLIN = Path("/usr/share/zoneinfo/Europe/Berlin")


def lines(site: Site, event: str) -> list[dict[str, Any]]:
    whole = site.log.read_text().rpartition("\n")[0]
    return [line for line in map(json.loads, whole.splitlines()) if line["event"] == event]


def reload(daemon: Daemon, site: Site, event: str = "configuration reloaded") -> dict[str, Any]:
    """What the daemon says to a SIGHUP."""
    before = len(lines(site, event))
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: len(lines(site, event)) > before, event)
    return lines(site, event)[-1]


def test_three_reloads_in_a_row_stop_no_message_and_no_mailbox(site: Site, sandbox: Sandbox) -> None:
    slow, other = sandbox.mailbox("slow@acme.example"), sandbox.mailbox("other@acme.example")
    for number in range(3):
        slow.deliver(mail.sample(number))
    halt = sandbox.faults.add(Fault("RETR", Silence(after_octets=100), mailbox="slow@acme.example"))
    site.configure("slow", "other")

    with Daemon(site.config, log=site.log) as daemon:
        assert halt.wait(20)
        for _ in range(3):
            told = reload(daemon, site)
            assert (told["added"], told["changed"], told["removed"]) == (0, 0, 0)
            polled = len(other.sessions)
            wait_until(lambda polled=polled: len(other.sessions) > polled, "the other goes on")  # type: ignore[misc]
        halt.release()
        wait_until(lambda: len(site.stored("slow")) == 3, "all three messages")
        assert daemon.stop() == 0

    assert len(lines(site, "service started")) == 1
    assert {line["outcome"] for line in lines(site, "session")} == {"ok"}
    assert len(slow.sessions[0].retrieved) == 3
    assert "apscheduler" not in site.log.read_text()


def test_however_often_it_is_reloaded_every_mailbox_is_polled(site: Site, sandbox: Sandbox) -> None:
    names = [f"box{number}" for number in range(12)]
    boxes = [sandbox.mailbox(f"{name}@acme.example") for name in names]
    site.configure(*names, every='"20s"')

    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: bool(lines(site, "service started")), "the start")
        while not all(box.sessions for box in boxes):
            reload(daemon, site)
        assert daemon.stop() == 0

    assert len(lines(site, "configuration reloaded")) > 3


def test_a_typing_mistake_in_one_included_file_refuses_the_whole_reload(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a")
    site.config.write_text('include = ["more.d/*.toml"]\n' + site.config.read_text())
    (site.folder / "more.d").mkdir()

    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: bool(box.sessions), "the first poll")
        for name, key in (("b", "address"), ("c", "adress")):
            (site.folder / "more.d" / f"{name}.toml").write_text(
                f'[mailboxes.{name}]\n{key} = "{name}@acme.example"\n'
                f'sink = {{ kind = "spool", path = "{site.spool(name)}" }}\n'
            )
        told = reload(daemon, site, "configuration refused")
        polled = len(box.sessions)
        wait_until(lambda: len(box.sessions) > polled, "the former configuration goes on")
        assert daemon.stop() == 0

    assert any("more.d/c.toml: mailboxes.c.adress" in line for line in told["mistakes"])
    assert not site.spool("b").exists()
    (warning,) = lines(site, "configuration warning")
    assert "more.d/*.toml" in warning["warning"]


def test_the_last_mailbox_that_is_commented_out_is_polled_on(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: bool(box.sessions), "the first poll")
        site.configure()
        told = reload(daemon, site, "configuration refused")
        polled = len(box.sessions)
        wait_until(lambda: len(box.sessions) > polled, "it is polled on")
        assert daemon.stop() == 0

    assert "no mailbox is left" in told["mistakes"][0]


def test_a_mailbox_with_another_host_is_polled_there_and_the_others_are_not_touched(
    site: Site, sandbox: Sandbox
) -> None:
    moved, same = sandbox.mailbox("moved@acme.example"), sandbox.mailbox("same@acme.example")
    site.configure("same", "moved")

    with Daemon(site.config, log=site.log) as daemon, Sandbox() as elsewhere:
        wait_until(lambda: bool(moved.sessions and same.sessions), "the first polls")
        halt = sandbox.faults.add(Fault("UIDL", Silence(), mailbox="same@acme.example"))
        assert halt.wait(20)
        text = site.config.read_text()
        site.config.write_text(
            text + f'port = {elsewhere.pop3_port}\nca_file = "{elsewhere.ca_file}"\nleave_on_server = true\n'
        )
        told = reload(daemon, site)
        there = f"{elsewhere.host}:{elsewhere.pop3_port}"
        wait_until(lambda: any(there in line["detail"] for line in lines(site, "session")), "a poll there")
        halt.release()
        assert daemon.stop() == 0

    assert (told["added"], told["changed"], told["removed"]) == (0, 1, 0)
    assert {line["outcome"] for line in lines(site, "session") if line["mailbox"] == "same"} == {"ok"}


def test_another_level_of_the_log_holds_from_the_reload_on(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a")

    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: bool(lines(site, "session")), "a line of a good poll")
        quiet = site.config.read_text() + '[log]\nlevel = "warning"\n'
        site.config.write_text(quiet + "[mistake]\n")
        reload(daemon, site, "configuration refused")
        told = len(lines(site, "session"))
        wait_until(lambda: len(lines(site, "session")) > told, "another: what was refused set no level")
        site.config.write_text(quiet)
        daemon.signal(signal.SIGHUP)
        polled = len(box.sessions)
        wait_until(lambda: len(box.sessions) > polled + 1, "two polls more")
        told, polled = len(lines(site, "session")), len(box.sessions)
        wait_until(lambda: len(box.sessions) > polled + 1, "two polls more")
        assert len(lines(site, "session")) == told
        assert daemon.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_removed_mailbox_that_hangs_is_cut_after_20_seconds_and_delays_no_other(
    site: Site, sandbox: Sandbox
) -> None:
    sandbox.mailbox("gone@acme.example").deliver(mail.note(1))
    same = sandbox.mailbox("same@acme.example")
    halt = sandbox.faults.add(Fault("RETR", Silence(after_octets=10), mailbox="gone@acme.example"))
    site.configure("same", "gone")

    with Daemon(site.config, log=site.log) as daemon:
        assert halt.wait(20)
        site.configure("same")
        assert reload(daemon, site)["removed"] == 1
        polled = len(same.sessions)
        wait_until(lambda: any(line["mailbox"] == "gone" for line in lines(site, "session")), "it is cut")
        assert len(same.sessions) >= polled + 15
        assert daemon.stop() == 0

    (gone,) = (line for line in lines(site, "session") if line["mailbox"] == "gone")
    assert (gone["outcome"], 19 < gone["seconds"] < 30) == ("stopped", True)


def test_a_zone_that_cannot_be_read_at_a_reload_is_a_mistake_and_the_old_one_stays(
    site: Site, sandbox: Sandbox
) -> None:
    box = sandbox.mailbox("a@acme.example")
    zone = site.folder / "localtime"
    zone.write_bytes(BERLIN.read_bytes())
    site.configure("a", "nightly")
    site.config.write_text(site.config.read_text() + 'cron = "0 6 1 1 *"\n')

    with Daemon(site.config, log=site.log, environment={"TZ": f":{zone}"}) as daemon:
        wait_until(lambda: bool(box.sessions), "a poll")
        zone.write_bytes(BERLIN.read_bytes()[:1000])
        told = reload(daemon, site, "configuration refused")
        polled = len(box.sessions)
        wait_until(lambda: len(box.sessions) > polled, "it is polled on")
        zone.write_bytes(Path("/usr/share/zoneinfo/Asia/Kolkata").read_bytes())
        assert reload(daemon, site)["changed"] == 1
        assert daemon.stop() == 0

    assert lines(site, "service started")[0]["zone"] == f"{zone}, by TZ"
    assert f"{zone} is not the file of a time zone" in told["mistakes"][0]
