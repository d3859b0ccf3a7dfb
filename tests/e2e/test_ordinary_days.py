"""Days on which nothing crashes, played with the program as it is run: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from crash.small_disk import SmallDisk, small_disk
from e2e.conftest import Site, wait_until
from mailsluice_sandbox import Sandbox, SandboxMailbox, mail
from mailsluice_sandbox.faults import ArmedFault, Fault, Silence
from support.program import Daemon, Ended, run_program
from support.staging import remove_locks, staged_in, staging_of

pytestmark = pytest.mark.slow

MAIL = [mail.scan(number, 40_000) for number in range(7)]


@pytest.fixture
def box(site: Site, sandbox: Sandbox) -> SandboxMailbox:
    """A mailbox that deletes its mail; one message was stored before."""
    box = sandbox.mailbox("a@acme.example")
    box.deliver(mail.note(1))
    site.configure("a")
    assert poll(site).code == 0
    return box


@pytest.fixture
def halt(box: SandboxMailbox, sandbox: Sandbox) -> ArmedFault:
    """All mail has come, and the server will be silent before the last message until it is released."""
    *_, last = [box.deliver(message) for message in MAIL]
    return sandbox.faults.add(Fault("RETR", Silence(after_octets=1000), uidl=last))


@pytest.fixture
def halted(site: Site, halt: ArmedFault) -> Iterator[Daemon]:
    """A poll that waits there: the other messages are in staging."""
    with Daemon(site.config, log=site.log, arguments=("poll", "--json")) as polling:
        assert halt.wait(30)
        wait_until(lambda: len(staged_in(site.spool("a"))) >= 2 * len(MAIL) - 2, "all but one are staged")
        yield polling


def poll(site: Site, config: Path | None = None) -> Ended:
    return run_program("-c", config or site.config, "poll", "--json")


def outcome(ended: Ended) -> str:
    return str(json.loads(ended.stdout)[0]["outcome"])


def events(site: Site) -> list[str]:
    lines = [line for line in site.log.read_text().splitlines() if line.startswith("{")]
    return [json.loads(line)["event"] for line in lines]


def all_stored_once(site: Site) -> bool:
    return sorted(site.stored("a")) == sorted([mail.note(1), *MAIL])


def copied(site: Site) -> Path:
    """The configuration of a copied machine: its state is a copy, its spool the same one."""
    shutil.copytree(site.folder / "state", site.folder / "copy")
    config = site.folder / "copy.toml"
    config.write_text(site.config.read_text().replace(f"{site.folder}/state", f"{site.folder}/copy"))
    return config


def take_all(spool: Path, inbox: Path, pattern: str) -> list[Path]:
    """What a hot folder does that looks below every directory, hidden ones too."""
    inbox.mkdir(exist_ok=True)
    return [path.rename(inbox / path.name) for path in sorted(spool.rglob(pattern)) if path.is_file()]


def test_what_a_scanner_takes_out_of_staging_comes_again_and_nothing_else_waits(
    site: Site, box: SandboxMailbox, halt: ArmedFault, halted: Daemon
) -> None:
    victim = next(path for path in staged_in(site.spool("a")) if ".message" in path.name)
    victim.unlink()
    halt.release()

    assert halted.wait() == 75
    assert events(site).count("message removed") == 1
    assert len(site.stored("a")) == len(MAIL)
    assert len(box.remaining()) == 1
    assert poll(site).code == 0
    assert all_stored_once(site)


def test_a_hot_folder_that_looks_everywhere_finds_nothing_in_staging(
    site: Site, halt: ArmedFault, halted: Daemon
) -> None:
    inbox = site.folder / "inbox"
    first = take_all(site.spool("a"), inbox, "*.eml")
    assert [path.read_bytes() for path in first] == [mail.note(1)]
    halt.release()

    assert halted.wait() == 0
    taken = take_all(site.spool("a"), inbox, "*.eml")
    assert sorted(path.read_bytes() for path in taken) == sorted(MAIL)


def test_a_program_that_takes_all_of_staging_costs_another_poll_and_no_message(
    site: Site, box: SandboxMailbox, halt: ArmedFault, halted: Daemon
) -> None:
    for path in staged_in(site.spool("a")):
        path.unlink()
    halt.release()

    assert halted.wait() == 75
    assert len(box.remaining()) >= len(MAIL) - 1
    assert poll(site).code == 0
    assert all_stored_once(site)


@pytest.mark.parametrize("what", ["the staging directory", "all of staging", "the spool"])
def test_a_directory_that_is_removed_under_a_poll_costs_another_poll_and_no_message(
    site: Site, halt: ArmedFault, halted: Daemon, what: str
) -> None:
    spool = site.spool("a")
    before = site.stored("a")
    if what == "the spool":
        spool.rename(site.folder / "yesterday")
        spool.mkdir()
    else:
        shutil.rmtree(staging_of(spool) if what == "the staging directory" else spool / ".staging")
    halt.release()

    assert halted.wait() == 75
    assert '"messages-removed"' in site.log.read_text()
    assert poll(site).code == 0
    published = site.stored("a") + (before if what == "the spool" else [])
    assert sorted(published) == sorted([mail.note(1), *MAIL])


def test_a_lock_file_that_was_removed_lets_no_second_poll_in(
    site: Site, box: SandboxMailbox, halt: ArmedFault, halted: Daemon
) -> None:
    for lock in (site.folder / "state" / "locks").iterdir():
        lock.unlink()

    second = poll(site)

    assert (second.code, outcome(second)) == (75, "mailbox-locked")
    assert str(halted.pid) in second.stdout
    halt.release()
    assert halted.wait() == 0
    assert all_stored_once(site)
    assert not box.remaining()


def test_who_lost_the_staging_directory_ends_before_it_stores_or_deletes(
    site: Site, box: SandboxMailbox, halt: ArmedFault, halted: Daemon
) -> None:
    for lock in (site.folder / "state" / "locks").iterdir():
        lock.unlink()
    remove_locks(site.spool("a"))

    assert poll(site).code == 0
    box.deliver(mail.note(2))
    halt.release()

    assert halted.wait() == 75
    assert '"outcome": "staging-lost"' in site.log.read_text().replace('":"', '": "')
    assert all_stored_once(site)
    assert len(box.remaining()) == 1


def test_of_two_copies_of_a_machine_one_polls_at_a_time(site: Site, halt: ArmedFault, halted: Daemon) -> None:
    copy = copied(site)

    second = poll(site, copy)

    assert (second.code, outcome(second)) == (75, "mailbox-locked")
    halt.release()
    assert halted.wait() == 0
    assert poll(site, copy).code == 0
    assert all_stored_once(site)


def test_two_copies_of_a_machine_that_both_run_store_each_message_once(
    site: Site, box: SandboxMailbox
) -> None:
    copy = copied(site)
    sent = [mail.note(number) for number in range(2, 42)]
    with (
        Daemon(site.config, log=site.log) as one,
        Daemon(copy, log=site.folder / "other log") as two,
    ):
        for number, message in enumerate(sent):
            box.deliver(message)
            if number % 10 == 9:
                wait_until(lambda: len(box.remaining()) < 5, "some are taken")
        wait_until(lambda: not box.remaining(), "all are taken")
        assert (one.stop(), two.stop()) == (0, 0)

    assert sorted(site.stored("a")) == sorted([mail.note(1), *sent])


def tar(site: Site, how: str) -> None:
    """Save the state directory, or restore it, as one does who reads no manual."""
    archive = site.folder / "state.tar"
    subprocess.run(["/bin/tar", "-C", site.folder, how, archive, "state"], check=True)


def test_a_state_directory_that_is_restored_under_the_daemon_loses_and_repeats_nothing(
    site: Site, box: SandboxMailbox
) -> None:
    tar(site, "-cf")
    with Daemon(site.config, log=site.log) as daemon:
        for number, message in enumerate(MAIL):
            box.deliver(message)
            wait_until(lambda: not box.remaining(), "it is taken")
            if number == 3:
                tar(site, "-xf")
        assert daemon.stop() == 0

    assert all_stored_once(site)
    assert poll(site).code == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path, "ext4") as disk:
        yield disk


def test_a_disk_that_is_not_mounted_is_named_and_nothing_goes_below_its_mount_point(
    site: Site, sandbox: Sandbox, disk: SmallDisk
) -> None:
    site.configure("a", "b")
    site.config.write_text(site.config.read_text().replace(str(site.spool("a")), f"{disk.path}/a"))
    boxes = [sandbox.mailbox(f"{name}@acme.example") for name in ("a", "b")]
    for box in boxes:
        box.deliver(mail.note(1))
    assert poll(site).code == 0
    for box in boxes:
        box.deliver(mail.note(2))

    with disk.unmounted():
        refused = poll(site)
        below = list(disk.path.iterdir())

    assert refused.code == 73
    assert [row["outcome"] for row in json.loads(refused.stdout)] == ["sink-refused", "ok"]
    assert f"nothing is mounted on {disk.path}" in refused.stdout
    assert below == []
    assert len(boxes[0].remaining()) == 1
    assert poll(site).code == 0
    assert len(list((disk.path / "a").glob("*.eml"))) == 2
