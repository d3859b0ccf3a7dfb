"""A small file system that really runs full while mail is polled: nothing lost, nothing twice, and it goes on."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from crash.small_disk import FORMS, SmallDisk, small_disk
from crash.world import Nursery, World
from mailsluice.ledger.ledger import Ledger
from mailsluice_sandbox import Sandbox, mail
from support.extent import FULL
from support.program import Daemon
from support.waiting import wait_until

pytestmark = pytest.mark.slow

WELL, NOT_WRITABLE = 0, 73
COUNT = 160
ENOUGH_POLLS = 30
A_BATCH_OR_TWO = 130_000
"""Octets: the ledger opens, and records some of the mail, but not all of it."""
BLOCKS_NOT_MADE_SURE_OF = range(8, 56, 8)
"""KiB: enough for the bytes of its index that SQLite makes sure of, not enough for all of it and a log."""

MakeWorld = Callable[[str, str, SmallDisk], World]


def some(combinations: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """All of them in the hostile form; else, of each two that differ in the sink alone, one or the other in turn."""
    every = list(combinations)
    return (
        every if FULL else [pair[turn % 2] for turn, pair in enumerate(zip(*[iter(every)] * 2, strict=True))]
    )


def large(number: int) -> bytes:
    """No two alike, and all of them together larger than the disk."""
    body = random.Random(number).randbytes(number * 997 % 36_000).hex().encode()
    return mail.note(number) + body + b"\r\n"


SMALL = [mail.note(number) for number in range(COUNT)]
LARGE = [large(number) for number in range(COUNT)]


@pytest.fixture
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path, getattr(request, "param", "ext4")) as disk:
        yield disk


@pytest.fixture
def make_world(tmp_path: Path, sandbox: Sandbox, nursery: Nursery) -> MakeWorld:
    def make(inside: str, sink: str, disk: SmallDisk) -> World:
        """`inside` names what lies on the small disk: "sink", "state", or both with a plus.

        What is to fill it is mail, if that comes there, or else ballast.
        """
        state = disk.path / "state" if "state" in inside else tmp_path / "state"
        place = disk.path / "sink" if "sink" in inside else None
        Ledger(state).close()
        if inside == "state":
            disk.fill(leave=A_BATCH_OR_TWO)
        waiting = LARGE if place else SMALL
        return World(
            tmp_path, sandbox, nursery, sink=sink, leave="false", place=place, state_dir=state, mail=waiting
        )

    return make


def report(world: World) -> dict[str, Any]:
    """What the last poll said of the mailbox; of a poll that did not come so far, what it complained of."""
    start, end = world.printed.find("[\n"), world.printed.rfind("]")
    if start < 0:
        return {"outcome": "ledger-error", "detail": world.printed}
    (found,) = json.loads(world.printed[start : end + 1])
    return dict(found)


def assert_it_says_what_to_do(world: World) -> None:
    said = report(world)
    assert said["outcome"] in ("sink-error", "ledger-error")
    assert "(df, df -i)" in said["detail"]


def assert_it_converges(world: World) -> None:
    """A consumer takes away what it sees; polls go on, and each either ends well or says what to do."""
    for _ in range(ENOUGH_POLLS):
        world.consume()
        code = world.poll()
        if code == WELL:
            break
        assert code == NOT_WRITABLE
        assert_it_says_what_to_do(world)
    world.settle()
    world.assert_each_once()
    assert world.server.remaining() == ()


@pytest.mark.parametrize(
    ("disk", "inside", "sink"),
    some(product(FORMS, ["sink", "state+sink"], ["spool", "maildir"])),
    indirect=["disk"],
)
def test_mail_that_does_not_fit_waits_on_the_server_until_there_is_room(
    make_world: MakeWorld, disk: SmallDisk, inside: str, sink: str
) -> None:
    world = make_world(inside, sink, disk)

    assert world.poll() == NOT_WRITABLE
    assert_it_says_what_to_do(world)
    assert 0 < len(world.visible()) < COUNT
    assert len(world.server.deleted) <= len(world.visible())
    assert_it_converges(world)


@pytest.mark.parametrize(
    ("disk", "sink"), some(product(["ext4", "tmpfs"], ["spool", "maildir"])), indirect=["disk"]
)
def test_mail_that_cannot_be_recorded_waits_on_the_server_until_there_is_room(
    make_world: MakeWorld, disk: SmallDisk, sink: str
) -> None:
    world = make_world("state", sink, disk)

    for _ in range(2):
        assert world.poll() == NOT_WRITABLE
        assert_it_says_what_to_do(world)
        world.consume()
    assert len(world.taken) < COUNT
    assert len(world.server.deleted) <= len(world.taken)
    disk.relieve()
    assert_it_converges(world)


def test_a_poll_with_hardly_any_room_for_the_ledger_ends_with_an_error_never_with_a_signal(
    make_world: MakeWorld, disk: SmallDisk
) -> None:
    world = make_world("state", "spool", disk)

    for kibibytes in BLOCKS_NOT_MADE_SURE_OF:
        disk.fill(leave=kibibytes * 1024)
        assert world.poll() == NOT_WRITABLE, f"with {kibibytes} KiB left"
        assert_it_says_what_to_do(world)
    disk.relieve()
    assert_it_converges(world)


def failed(log: Path) -> list[datetime]:
    """When each poll ended that failed for lack of room."""
    lines = [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [
        datetime.fromisoformat(line["timestamp"])
        for line in lines
        if line.get("outcome") in ("sink-error", "ledger-error")
    ]


def test_the_daemon_tries_again_later_and_drains_by_itself_once_there_is_room(
    make_world: MakeWorld, disk: SmallDisk, tmp_path: Path
) -> None:
    world = make_world("state+sink", "spool", disk)
    world.config.write_text(world.config.read_text() + 'every = "1s"\n')
    log = tmp_path / "log"

    def drained() -> bool:
        world.consume()
        return world.server.remaining() == ()

    with Daemon(world.config, log=log) as daemon:
        wait_until(lambda: len(failed(log)) == 2, "two polls that failed")
        wait_until(drained, "everything taken and deleted")
        assert daemon.stop() == 0
    first, second = failed(log)[:2]
    assert second - first > timedelta(seconds=1.5)  # the mailbox's interval is one
    world.consume()
    world.assert_each_once()
