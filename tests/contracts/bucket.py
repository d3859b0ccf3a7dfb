"""A sink without renames, in memory: it publishes as an object store can, by PUT if the name is free.

The proof that the ports can be kept so. What it needs of its store: each object that was deleted leaves a
marker until the sink removes that, as in a bucket with versions.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from mailsluice.errors import MailboxLocked, StagingLost
from mailsluice.message.identity import identity
from mailsluice.model import Listed, Notice, Staged, Stored, Where
from mailsluice.sink.durable import Passing


@dataclass
class Lease:
    """Who has a mailbox's staging in the bucket, and how far its ledger had come."""

    place: str
    token: str = ""
    commits: int = 0
    held: bool = False


class Bucket:
    """Objects by key, and markers of those that were deleted.

    `before_call` is called before a poll looks at what decides, or changes anything; `after_put` after an
    object was made.
    """

    def __init__(self) -> None:
        self.id = secrets.token_hex(16)
        self.leases: dict[str, Lease] = {}
        self.before_call: Callable[[], None] = lambda: None
        self.after_put: Callable[[], None] = lambda: None
        self._objects: dict[str, bytes] = {}
        self._markers: set[str] = set()
        self._lock = threading.Lock()

    def keys(self, prefix: str) -> list[str]:
        """Those of the objects that are there, in order."""
        return sorted(key for key in self._objects if key.startswith(prefix))

    def get(self, key: str) -> bytes | None:
        """An object's octets; None where there is none."""
        return self._objects.get(key)

    def ever_had(self, key: str) -> bool:
        """Whether the object is there, or was and left a marker."""
        self.before_call()
        return key in self._objects or key in self._markers

    def put_if_free(self, key: str, octets: bytes) -> None:
        """PUT with If-None-Match: an object that is there already is left alone."""
        self.before_call()
        with self._lock:
            self._objects.setdefault(key, octets)
        self.after_put()

    def delete(self, key: str) -> None:
        """DELETE, as consumers do it: a marker is left."""
        del self._objects[key]
        self._markers.add(key)

    def purge(self, key: str) -> None:
        """Remove an object, or its marker, without a trace."""
        self.before_call()
        self._objects.pop(key, None)
        self._markers.discard(key)

    def purge_marker(self, key: str) -> None:
        """Remove the marker alone."""
        self.before_call()
        self._markers.discard(key)


class BucketSink:
    """Satisfies `session.ports.Sink`."""

    def __init__(self, bucket: Bucket, owner: str) -> None:
        self._bucket = bucket
        self._owner = owner

    @property
    def spec(self) -> str:
        return f"bucket:{self._bucket.id}"

    @contextmanager
    def hold(self, known: Where | None) -> Generator[BucketStaging, None, None]:
        lease = self._bucket.leases.setdefault(self._owner, Lease(secrets.token_hex(16)))
        with self._taken(lease, known, secrets.token_hex(16)) as staging:
            yield staging

    @contextmanager
    def find(self, known: Where) -> Generator[BucketStaging | None, None, None]:
        lease = self._bucket.leases.get(self._owner)
        if lease is None or lease.place != known.place:
            yield None
            return
        with self._taken(lease, known, lease.token) as staging:
            yield staging

    @contextmanager
    def _taken(self, lease: Lease, known: Where | None, token: str) -> Generator[BucketStaging, None, None]:
        if lease.held:
            raise MailboxLocked(f"{self._owner} has its staging in {self.spec} in use")
        is_as_left = known is not None and known.token == lease.token != ""
        lease.held, lease.token = True, token
        try:
            where = Where(self.spec, self._bucket.id, (), lease.place, token)
            yield BucketStaging(self._bucket, self._owner, lease, where, is_as_left=is_as_left)
        finally:
            lease.held = False

    def adopt(self) -> None:
        """No other ledger feeds a bucket of the tests."""

    def published(self, staged: Sequence[Staged]) -> tuple[Stored, ...]:
        return tuple(Stored(each.uidl, each.name) for each in staged if self._bucket.ever_had(shown(each)))

    def left_behind(self) -> Sequence[str]:
        return ()

    def remove_left_behind(self, names: Iterable[str]) -> None:
        assert not list(names)


class BucketStaging:
    """Satisfies `session.ports.Staging`."""

    def __init__(self, bucket: Bucket, owner: str, lease: Lease, where: Where, *, is_as_left: bool) -> None:
        self.bucket = bucket
        self._owner = owner
        self.prefix = f"staging/{owner}/"
        self.where = where
        self.notices: list[Notice] = []
        self.commits = lease.commits
        self.is_as_left = is_as_left
        self._lease = lease

    def note(self, commits: int) -> None:
        self.bucket.before_call()
        self._lease.commits = max(self._lease.commits, commits)

    def batch(self) -> BucketBatch:
        return BucketBatch(self)

    def finish(self, staged: Sequence[Staged], *, undisturbed: bool) -> tuple[Stored, ...]:
        del undisturbed  # nothing is concluded from absence here
        return self.publish(staged)

    def publish(self, staged: Sequence[Staged]) -> tuple[Stored, ...]:
        """PUT each under its recorded name, unless that was done before; those for which it was done.

        Nobody but us makes objects of these names, so that nothing comes between the look and the PUT.
        """
        return tuple(Stored(each.uidl, each.name) for each in staged if self._is_published(each))

    def _is_published(self, message: Staged) -> bool:
        if not self.bucket.ever_had(shown(message)):
            octets = self.bucket.get(self.prefix + message.name)
            if octets is None:
                return False
            self.bucket.put_if_free(shown(message), octets)
        return True

    def forget(self, stored: Sequence[Stored]) -> None:
        for each in stored:
            if self.bucket.ever_had(shown(each)):
                self._forget(each.name)

    def _forget(self, name: str) -> None:
        """The marker goes first: without the staged copy no sweep would find it."""
        self.bucket.purge_marker(f"mail/{name}")
        self.bucket.purge(self.prefix + name)

    def sweep(self) -> int:
        names = [key.removeprefix(self.prefix) for key in self.bucket.keys(self.prefix)]
        unpublished = [name for name in names if not self.bucket.ever_had(f"mail/{name}")]
        for name in names:
            self._forget(name)
        return len(unpublished)

    def remove(self) -> None:
        self.sweep()
        del self.bucket.leases[self._owner]

    def refuse_if_lost(self) -> None:
        self.bucket.before_call()
        if self._lease.token != self.where.token:
            raise StagingLost("another poll has the staging")


class BucketBatch:
    """Satisfies `session.ports.Batch`."""

    swept_away = False

    def __init__(self, staging: BucketStaging) -> None:
        self.where = staging.where
        self.vanished: list[Staged] = []
        self._staging = staging
        self._bucket = staging.bucket
        self._messages: list[Staged] = []
        self._is_staged = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        while self._messages and not self._is_staged:
            self.drop()

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, listed: Listed, chunks: Iterator[bytes], received: datetime) -> Passing:
        self._refuse_if_staged()
        message = Passing(chunks)
        octets = b"".join(message)
        name = f"{received:%Y%m%dT%H%M%S.%f}-{len(self._messages):03}-{secrets.token_hex(4)}"
        self._bucket.put_if_free(self._staging.prefix + name, octets)
        self._messages.append(Staged(listed.uidl, name, message.size, listed.size, identity(message.header)))
        return message

    def drop(self) -> None:
        self._bucket.purge(self._staging.prefix + self._messages.pop().name)

    def stage(self) -> tuple[Staged, ...]:
        self._refuse_if_staged()
        there = set(self._bucket.keys(self._staging.prefix))
        self._keep({each.name for each in self._messages if self._staging.prefix + each.name in there})
        self._is_staged = True
        return tuple(self._messages)

    def publish(self) -> tuple[Stored, ...]:
        if not self._is_staged:
            raise RuntimeError("nothing is published that is not staged")
        stored = self._staging.publish(self._messages)
        self._keep({each.name for each in stored})
        return stored

    def refuse_if_lost(self) -> None:
        self._staging.refuse_if_lost()

    def _keep(self, names: set[str]) -> None:
        self.vanished += [each for each in self._messages if each.name not in names]
        self._messages = [each for each in self._messages if each.name in names]

    def _refuse_if_staged(self) -> None:
        if self._is_staged:
            raise RuntimeError("this batch is staged: it can neither grow nor be staged again")


def shown(message: Staged | Stored) -> str:
    """Where consumers look for it."""
    return f"mail/{message.name}"
