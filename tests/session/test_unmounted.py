"""A sink on a file system of its own, which is not mounted now: simulated, a real one is unmounted in e2e."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailsluice.session.recovery import forget
from session.world import ONE, TWO, World, interrupted


class Disk:
    """A file system that is mounted as long as it `is_on`."""

    def __init__(self, mount: Path) -> None:
        self.mount = mount
        self.is_on = True

    def unmount(self) -> None:
        self.is_on = False
        self.mount.rename(self.mount.with_name("disk"))
        self.mount.mkdir()


def deliver_to(world: World, path: Path, **keys: object) -> None:
    world.configure(sink={"kind": world.mailbox.sink.kind, "path": str(path)}, **keys)


@pytest.fixture
def disk(world: World, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The world's sink lies on it, and has a message."""
    disk = Disk(world.home / "mnt")
    disk.mount.mkdir()
    real = os.path.ismount
    monkeypatch.setattr(
        "os.path.ismount", lambda path: disk.is_on if str(path) == str(disk.mount) else real(path)
    )
    deliver_to(world, disk.mount)
    world.deliver(ONE)
    world.poll()
    return disk


def test_a_mailbox_that_is_new_to_the_ledger_stores_nothing_below_the_mount_point(
    world: World, disk: Disk
) -> None:
    disk.unmount()
    deliver_to(world, disk.mount, name="new", address="new@acme.example")
    world.deliver(TWO)

    polled = world.poll()

    assert (polled.report.outcome, polled.exit_code) == ("sink-refused", 73)
    assert polled.report.detail.count(f"`mount {disk.mount}`") == 1
    assert list(disk.mount.iterdir()) == []
    assert list(world.server.mail.values()) == [TWO]


def test_half_done_messages_of_a_disk_that_is_dead_are_given_up(
    world: World, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(TWO)
    interrupted(world, monkeypatch)
    disk.unmount()
    deliver_to(world, world.home / "sink")
    assert "sink forget invoices" in world.poll().report.detail

    assert forget(world.mailbox, world.context) == 1

    assert world.outcome() == ("ok", 0)
    assert world.stored() == [TWO]


@pytest.mark.parametrize("path", ["mnt", "mnt/new"])
def test_a_mailbox_that_is_configured_no_more_holds_no_path_for_ever(
    world: World, disk: Disk, path: str
) -> None:
    disk.unmount()
    deliver_to(world, world.home / path, name="new", address="new@acme.example")
    assert world.outcome() == ("sink-refused", 73)

    forget(world.mailbox, world.context)

    assert world.outcome() == ("ok", 0)


def test_the_same_path_is_used_without_its_disk_once_that_is_given_up(world: World, disk: Disk) -> None:
    disk.unmount()
    world.deliver(TWO)
    assert world.outcome() == ("sink-refused", 73)

    assert forget(world.mailbox, world.context) == 0

    assert world.outcome() == ("ok", 0)
    assert world.stored("mnt") == [TWO]
