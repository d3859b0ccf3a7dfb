"""A sink that is gone, and one that two ledgers feed: what is said, and what the commands named there do."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from e2e.conftest import Site
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import MailboxKey, Staged
from mailsluice_sandbox import Fault, Sandbox, Silence, mail
from support.program import Daemon, Ended, run_program
from support.reach import run_in_shell
from support.remedies import commands

ONE, TWO = mail.note(1), mail.note(2)


@pytest.fixture
def kept(site: Site, sandbox: Sandbox) -> Site:
    """A mailbox that keeps its one message, which is stored."""
    sandbox.mailbox("a@acme.example").deliver(ONE)
    site.configure("a", leave_on_server="true")
    assert poll(site).code == 0
    return site


def poll(site: Site) -> Ended:
    return run_program("-c", site.config, "poll", "--json")


def detail(ended: Ended) -> str:
    return str(json.loads(ended.stdout)[0]["detail"])


def interrupted(site: Site, sandbox: Sandbox) -> None:
    """Mail has come, and the ledger says that a poll got as far as to record it."""
    uidl = sandbox.mailbox("a@acme.example").deliver(TWO)
    with Ledger(site.folder / "state") as ledger:
        key = MailboxKey(sandbox.host, "a@acme.example")
        ledger.messages.record(
            key, [Staged(uidl, "n", len(TWO))], f"spool:{site.spool('a')}", datetime.now(UTC)
        )


def staging_of(site: Site) -> Path:
    return site.spool("a") / ".staging"


def test_what_was_half_done_in_staging_that_is_gone_is_given_up_and_comes_again(
    kept: Site, sandbox: Sandbox
) -> None:
    interrupted(kept, sandbox)
    shutil.rmtree(staging_of(kept))

    refused = poll(kept)

    assert refused.code == 73
    assert "its claim file is gone" in detail(refused)
    assert "a new, empty one does not help" in detail(refused)
    assert kept.stored("a") == [ONE]
    assert run_in_shell(commands(detail(refused))[-1]).stdout.startswith("1 messages of a were given up")
    assert poll(kept).code == 0
    assert kept.stored("a") == [ONE, TWO]


def test_a_directory_made_by_hand_in_its_stead_loses_nothing(kept: Site, sandbox: Sandbox) -> None:
    interrupted(kept, sandbox)
    (owner,) = (path for path in staging_of(kept).iterdir() if path.is_dir())
    shutil.rmtree(owner)
    owner.mkdir(mode=0o700)

    refused = poll(kept)

    assert refused.code == 73
    assert run_in_shell(commands(detail(refused))[-1]).code == 0
    assert poll(kept).code == 0
    assert kept.stored("a") == [ONE, TWO]


def test_what_is_not_gone_is_not_given_up(kept: Site, sandbox: Sandbox) -> None:
    interrupted(kept, sandbox)
    ended = run_program("-c", kept.config, "sink", "forget", "a")
    assert ended.code == 73
    assert run_in_shell(commands(ended.stderr)[-1]).code == 0


def second_site(site: Site) -> Path:
    """The configuration of another installation that polls the same mailbox into the same spool."""
    config = site.folder / "second.toml"
    config.write_text(site.config.read_text().replace(f"{site.folder}/state", f"{site.folder}/other state"))
    return config


def test_another_ledger_with_the_same_mailbox_is_refused_until_it_takes_the_place_of_the_first(
    kept: Site,
) -> None:
    config = second_site(kept)
    refused = run_program("-c", config, "poll", "--json")
    assert refused.code == 73
    assert f"{kept.folder}/state on " in detail(refused)
    assert f"{kept.folder}/other state on " in detail(refused)
    assert kept.stored("a") == [ONE]

    assert run_in_shell(commands(detail(refused))[-1]).code == 0

    assert run_program("-c", config, "seen", "a").code == 0
    assert run_program("-c", config, "poll").code == 0
    assert kept.stored("a") == [ONE]
    given_away = poll(kept)
    assert given_away.code == 73
    assert run_in_shell(commands(detail(given_away))[-1]).code == 0
    assert poll(kept).code == 0
    assert run_program("-c", config, "poll").code == 73


def test_the_list_tells_which_ledgers_feed_a_sink(kept: Site) -> None:
    config = second_site(kept)
    run_program("-c", config, "sink", "adopt", "a")

    (row, other) = sorted(
        json.loads(run_program("-c", config, "sink", "list", "--json").stdout),
        key=lambda row: str(row["state_dir"]),
    )

    assert (row["ledger"], row["given_to"]) == ("this one", "")
    assert (other["state_dir"], other["given_to"]) == (f"{kept.folder}/state", "this one")
    assert row["sink"] == other["sink"] == f"spool:{kept.spool('a')}"
    assert {row["mailbox"], other["mailbox"]} == {"a@acme.example"}
    assert "a@acme.example" in run_program("-c", config, "sink", "list").stdout


def test_two_ledgers_that_both_delete_store_each_message_once(
    site: Site, sandbox: Sandbox, tmp_path: Path
) -> None:
    site.configure("a")
    config = second_site(site)
    sandbox.mailbox("a@acme.example").deliver(ONE)
    halt = sandbox.faults.add(Fault("RETR", Silence()))
    with Daemon(site.config, log=tmp_path / "log") as daemon:
        assert halt.wait(20)
        refused = run_program("-c", config, "poll", "--json")
        halt.release()
        assert daemon.stop() == 0

    assert refused.code == 75
    assert "is being polled by another process" in detail(refused)
    assert "a@acme.example" in run_in_shell(commands(detail(refused))[-1]).stdout
    assert run_program("-c", site.config, "poll").code == 0
    assert run_program("-c", config, "poll").code == 0
    assert site.stored("a") == [ONE]
