"""The sinks of the contract tests, and what others see of each and do to it: consumers, and other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from contracts.bucket import Bucket, BucketSink
from mailsluice.session.ports import Sink
from support.sinks import KINDS, OWNER, sink_of
from support.staging import staged_in

STORES = (*KINDS, "bucket")


class Store(Protocol):
    """Where messages are published. It outlives every poll, and every process."""

    def sink(self, owner: str = OWNER) -> Sink:
        """The sink on it, as a process that starts now makes it."""
        ...

    def messages(self) -> list[str]:
        """What consumers find, by names of the store's own."""
        ...

    def take(self, message: str) -> None:
        """What a consumer does with a message once it has it."""
        ...

    def staged(self) -> list[str]:
        """The messages of which anything is in staging, whoever staged them."""
        ...

    def lose(self, name: str) -> None:
        """What another program does that takes a message out of staging; `name` as in `Staged`."""
        ...


class Directories:
    """A spool or a Maildir."""

    def __init__(self, kind: str, place: Path) -> None:
        self._kind = kind
        self._place = place

    def sink(self, owner: str = OWNER) -> Sink:
        return sink_of(self._kind, self._place, owner=owner)

    def messages(self) -> list[str]:
        found = [*self._place.glob("*.eml"), *self._place.glob("new/*"), *self._place.glob("cur/*")]
        return sorted(str(path.relative_to(self._place)) for path in found)

    def take(self, message: str) -> None:
        (self._place / message).unlink()

    def staged(self) -> list[str]:
        return sorted({_base(path) for path in staged_in(self._place)})

    def lose(self, name: str) -> None:
        for path in staged_in(self._place):
            if _base(path) == name.partition(",")[0]:
                path.unlink()


def _base(path: Path) -> str:
    return path.name.rpartition(".")[0]


class Objects:
    """A bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def sink(self, owner: str = OWNER) -> Sink:
        return BucketSink(self._bucket, owner)

    def messages(self) -> list[str]:
        return self._bucket.keys("mail/")

    def take(self, message: str) -> None:
        self._bucket.delete(message)

    def staged(self) -> list[str]:
        return self._bucket.keys("staging/")

    def lose(self, name: str) -> None:
        for key in self._bucket.keys("staging/"):
            if key.endswith(f"/{name}"):
                self._bucket.purge(key)


def store_of(kind: str, place: Path) -> Store:
    """A new, empty store; one in directories lies at `place`."""
    return Objects(Bucket()) if kind == "bucket" else Directories(kind, place)
