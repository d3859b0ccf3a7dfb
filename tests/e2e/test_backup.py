"""A backup, and a restore by the commands of docs/operations.md, as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from e2e.conftest import Site, wait_until
from mailsluice_sandbox import Sandbox, mail
from support.program import PROGRAM, Daemon, run_program
from support.reach import run_in_shell

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def blocks(site: Site) -> list[list[str]]:
    """The lines of each block of commands in the page's section, told for this installation."""
    section = PAGE.read_text().split("## Backup and restore\n")[1].split("\n## ")[0]
    here = {
        "/opt/mailsluice/.venv/bin/mailsluice": f"{PROGRAM} -c {site.config}",
        "/var/lib/mailsluice": f"{site.folder}/state",
        "/var/backups/mailsluice": f"{site.folder}/backup",
        "-o mailsluice -g mailsluice": f"-o {os.geteuid()} -g {os.getegid()}",
    }
    for there, own in here.items():
        section = section.replace(there, own)
    return [block.splitlines() for block in re.findall(r"```sh\n(.*?)\n```", section, re.DOTALL)]


def status(site: Site) -> dict[str, object]:
    (row,) = json.loads(run_program("-c", site.config, "status", "--json").stdout)["mailboxes"]
    return dict(row)


def test_what_was_backed_up_while_the_daemon_polled_is_restored_and_nothing_comes_twice(
    site: Site, sandbox: Sandbox
) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a", leave_on_server="true")
    site.config.write_text(site.config.read_text().replace(f"file:{site.folder}/secret", "keyring:acme"))
    assert run_program("-c", site.config, "secret", "set", "acme", stdin=sandbox.client_secret).code == 0
    (backup,), (stop, *restore, start) = blocks(site)
    assert (stop, start) == ("systemctl stop mailsluice", "systemctl start mailsluice")

    with Daemon(site.config, log=site.log) as daemon:
        for number in range(20):
            box.deliver(mail.sample(number))
        wait_until(lambda: len(site.stored("a")) == 20, "all stored")
        wait_until(lambda: status(site)["stored"] == 20, "and noted")
        assert run_in_shell(backup).code == 0
        assert daemon.stop() == 0
    shutil.rmtree(site.folder / "state")
    assert run_in_shell("set -e\n" + "\n".join(restore)).code == 0

    assert status(site)["stored"] == 20
    with Daemon(site.config, log=site.log) as daemon:
        box.deliver(mail.note(1))
        wait_until(lambda: len(site.stored("a")) == 21, "polled on")
        assert daemon.stop() == 0
    assert sorted(site.stored("a")) == sorted([*(mail.sample(number) for number in range(20)), mail.note(1)])


def test_a_restore_over_what_is_left_of_the_old_state_takes_the_place_of_all_of_it(
    site: Site, sandbox: Sandbox
) -> None:
    box = sandbox.mailbox("a@acme.example")
    box.deliver(mail.note(1))
    site.configure("a", leave_on_server="true")
    (backup,), (_, *restore, _) = blocks(site)
    assert run_program("-c", site.config, "poll").code == 0
    assert run_in_shell(backup).code == 0
    with Daemon(site.config, log=site.log) as daemon:
        box.deliver(mail.note(2))
        wait_until(lambda: len(site.stored("a")) == 2, "stored")
        daemon.kill()  # and its log is left
    assert (site.folder / "state" / "ledger.db-wal").exists()
    assert run_in_shell("set -e\n" + "\n".join(restore)).code == 0

    assert run_program("-c", site.config, "poll").code == 0
    assert sorted(site.stored("a")) == sorted([mail.note(1), mail.note(2), mail.note(2)])
