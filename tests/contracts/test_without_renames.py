"""The real flow and ledger with a sink that has no renames: a poll that is killed at any call to the store."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from contracts.bucket import Bucket, BucketSink
from mailsluice.config.models import Mailbox
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import MailboxKey
from sink.disk import Crash
from sink.world import World

ONCE = [1, 1]


class OneBucket:
    """All sinks of a poll: the one that a mailbox has."""

    def __init__(self, bucket: Bucket) -> None:
        self._sink = BucketSink(bucket, "owner")

    def open(self, _: Mailbox) -> BucketSink:
        return self._sink

    def at(self, spec: str, _key: MailboxKey, _section: str) -> BucketSink:
        assert spec == self._sink.spec
        return self._sink


class BucketWorld(World):
    def __init__(self, home: Path) -> None:
        super().__init__(home, "spool")
        self.bucket = Bucket()
        self.calls = 0

    def sinks(self, _: Ledger) -> OneBucket:
        return OneBucket(self.bucket)

    def consume(self) -> None:
        for key in self.bucket.keys("mail/"):
            octets = self.bucket.get(key)
            assert octets is not None
            self.taken.append(octets.replace(b"\r\n", b"\n"))
            self.bucket.delete(key)

    def staged(self) -> list[str]:
        return self.bucket.keys("staging/")

    def crash_at(self, number: int | None) -> None:
        """Kill the process in place of its call of this number, from 1; None: let it live on."""
        self.calls = 0

        def counting() -> None:
            self.calls += 1
            if number is not None and self.calls >= number:
                raise Crash

        self.bucket.before_call = counting


@pytest.fixture
def calls(tmp_path: Path) -> int:
    """How many calls an untroubled poll makes."""
    home = tmp_path / "count"
    home.mkdir()
    world = BucketWorld(home)
    world.crash_at(None)
    world.poll()
    return world.calls


@pytest.mark.parametrize("consumer", ["waits", "takes at once"])
def test_a_kill_at_any_call_leaves_each_message_stored_once(
    tmp_path: Path, calls: int, consumer: str
) -> None:
    assert calls > 10
    for number in range(1, calls + 1):
        home = tmp_path / f"{number}"
        home.mkdir()
        world = BucketWorld(home)
        if consumer == "takes at once":
            world.bucket.after_put = world.consume
        world.crash_at(number)
        with pytest.raises(Crash):
            world.poll()
        world.crash_at(None)
        world.consume()
        world.recover()
        assert world.copies() == ONCE, f"killed at call {number}"


def test_the_polls_that_recover_can_be_killed_too_each_at_a_later_call(tmp_path: Path, calls: int) -> None:
    for number in range(1, calls + 1):
        home = tmp_path / f"{number}"
        home.mkdir()
        world = BucketWorld(home)
        world.bucket.after_put = world.consume
        killed = 0
        for again in (number, *range(1, calls + 1)):
            world.crash_at(again)
            with suppress(Crash):
                world.poll()
                break
            killed += 1
        assert killed > 1
        world.crash_at(None)
        world.recover()
        assert world.copies() == ONCE, f"killed at call {number}"
