"""Run as a script with the recorder loaded: records a story, and cuts the power at every call of it.

Prints, as JSON, how many cases there were, how many different trees they left, and what went wrong.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from mailsluice.errors import MailsluiceError
from mailsluice.sink.form import STAGED
from powercut.model import Call, Disk, Kept, Tree, calls_of, choices, lay_down
from powercut.world import FIRST, SECOND, THIRD, Recorder, World, delivered_by, message_at, servers_after

_NEVER_SO_MANY = 200
_ENOUGH = 5


@dataclass
class Found:
    cases: int = 0
    trees: int = 0
    stories: int = 0
    repeated: int = 0
    faults: list[str] = field(default_factory=list)


def first_poll(world: World) -> None:
    world.deliver(*FIRST)
    with world.ledger() as ledger:
        world.poll(ledger)


def daemon(world: World) -> None:
    """Two polls with one ledger, and new mail in between."""
    world.deliver(*FIRST)
    with world.ledger() as ledger:
        world.poll(ledger)
        world.deliver(*SECOND)
        world.poll(ledger)


def untroubled_after(trouble: Callable[[World], None]) -> Callable[[World], None]:
    """Something happens to the first process; then another polls, and polls again with new mail."""

    def story(world: World) -> None:
        world.deliver(*FIRST)
        trouble(world)
        with world.ledger() as ledger:
            world.poll(ledger)
            world.deliver(*SECOND)
            world.poll(ledger)

    return story


def killed_at(sync: int) -> Callable[[World], None]:
    def trouble(world: World) -> None:
        child = os.fork()
        if child == 0:
            world.recorder.die(sync)
            with world.ledger() as ledger:
                world.poll(ledger)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            raise StopIteration

    return trouble


def failing_at(sync: int) -> Callable[[World], None]:
    """The process lives on with the ledger it has open."""

    def trouble(world: World) -> None:
        world.recorder.fail(sync)
        try:
            with world.ledger() as ledger:
                world.poll(ledger)
                world.deliver(*THIRD)
                world.poll(ledger)
                world.poll(ledger)
        except MailsluiceError:
            pass
        finally:
            world.recorder.fail(0)

    return trouble


def half_moved(path: str, left: Tree) -> bool:
    """Whether the cut kept a message's second rename and not its first: then that looks like a removed file."""
    staged = f"{Path(path).stem}.description{STAGED}"
    return any(Path(name).name == staged for name in left)


class Walk:
    """Goes through one kind of sink and one policy with every story asked for."""

    def __init__(self, home: Path, kind: str, *, leave: bool, most: int, stride: int) -> None:
        self._home = home
        self._kind = kind
        self._leave = leave
        self._most = most
        self._stride = stride
        self._recorder = Recorder()
        self._root = home / "disk"
        self._tried: set[bytes] = set()
        self._chance = random.Random(1)
        self.found = Found()

    def _world(self) -> World:
        return World(self._root, self._kind, leave=self._leave, recorder=self._recorder)

    def _empty(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir(mode=0o700)

    def record(self, story: Callable[[World], None]) -> list[Call]:
        """Let it happen on an empty disk; the trace accounts for all that is there then."""
        self._empty()
        disk = Disk(self._root)
        trace = self._home / "trace"
        self._recorder.begin(self._root, trace)
        try:
            story(self._world())
        finally:
            self._recorder.end()
        calls = calls_of(trace.read_bytes())
        self._assert_complete(disk, calls)
        self.found.stories += 1
        return calls

    def _assert_complete(self, disk: Disk, calls: list[Call]) -> None:
        if any("failed" in call.name for call in calls):
            return  # the cache lost what the model's process still sees
        for call in calls:
            disk.take(call)
        modelled = {name: octets for name, (_, octets) in disk.live().items()}
        real = {
            str(path.relative_to(self._root)): None if path.is_dir() else path.read_bytes()
            for path in self._root.rglob("*")
        }
        for tree in (modelled, real):
            tree.pop("state/deep/ledger.db-shm", None)
        if modelled != real:
            wrong = {name for name in modelled.keys() | real.keys() if modelled.get(name) != real.get(name)}
            raise AssertionError(f"a call escaped the recorder: {wrong}")

    def cut_everywhere(self, name: str, calls: list[Call], *, since: int = 0) -> None:
        self._empty()
        disk = Disk(self._root)
        for number, call in enumerate(calls, 1):
            disk.take(call)
            if number <= since or number % self._stride:
                continue
            for kept in choices(disk.unsynced, self._most, self._chance):
                for server in servers_after(calls[:number]):
                    where = f"{name}, {self._kind}, {'keep' if self._leave else 'delete'}: cut after {number} {call.name} {call.fields}"
                    self._cut(disk, kept, server, delivered_by(calls[:number]), where)
                    if len(self.found.faults) >= _ENOUGH:
                        return

    def _cut(
        self, disk: Disk, kept: Kept, server: dict[bytes, bytes], expected: Counter[bytes], where: str
    ) -> None:
        self.found.cases += 1
        left = disk.left(kept)
        self._try(left, server, expected, f"{where}, {len(kept.effects)} of {len(disk.unsynced)} kept")
        live = disk.live()
        taken = {path: uidl for path in live if (uidl := message_at(path, live))}
        numbers = Counter(number for number, _ in left.values())
        if taken and max(numbers.values(), default=1) == 1:  # where a rename is kept, it is kept whole
            again = Counter(
                uidl for path, uidl in taken.items() if path not in left or half_moved(path, left)
            )
            self.found.repeated += bool(again)
            rest = {path: found for path, found in left.items() if path not in taken}
            expected = expected - Counter(taken.values()) + again
            self._try(rest, server, expected, f"{where}, taken, {len(kept.effects)} kept")

    def _try(self, tree: Tree, server: dict[bytes, bytes], expected: Counter[bytes], where: str) -> None:
        content = sorted(
            (name, number, octets) for name, (number, octets) in tree.items() if octets is not None
        )
        names = sorted(tree)
        print_of = hashlib.sha256(
            repr((names, content, sorted(server), sorted(expected.items()))).encode()
        ).digest()
        if print_of in self._tried:
            return
        self._tried.add(print_of)
        self.found.trees += 1
        self._empty()
        lay_down(tree, self._root)
        world = self._world()
        world.server.mail = dict(server)
        try:
            faults = world.faults(expected)
        except MailsluiceError as error:
            faults = [str(error)]
        self.found.faults += [f"{where}: {fault}" for fault in faults]


def walk(walk: Walk, story: str) -> None:
    simple = {"first": first_poll, "daemon": daemon}
    if story in simple:
        walk.cut_everywhere(story, walk.record(simple[story]))
        return
    trouble = {"killed": killed_at, "failing": failing_at}[story]
    for sync in range(1, _NEVER_SO_MANY):
        try:
            calls = walk.record(untroubled_after(trouble(sync)))
        except StopIteration:
            return
        if story == "failing" and not any("failed" in call.name for call in calls):
            return
        walk.cut_everywhere(f"{story} at sync {sync}", calls)


def main(arguments: dict[str, Any]) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    home = Path(arguments.pop("home")).resolve()
    story = arguments.pop("story")
    walked = Walk(home, **arguments)
    walk(walked, story)
    print(json.dumps(vars(walked.found)))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
