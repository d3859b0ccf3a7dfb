"""What is needed to kill a poll again and again, and to see afterwards what that did.

Owns the victim, the consumer that takes mail away meanwhile, and the post-mortem. Must never repair
anything: what a killed process left is for its successor to deal with, the write-ahead log included.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from peers import victim
from peers.account import Account
from support.staging import staged_in

UNDISTURBED = 86_400.0
_PAUSE = 0.04
"""The longest a consumer waits between two looks, in seconds."""

_LONGEST_SHOWN = 50_000
"""Characters of the log's end to show. The whole of it is searched for secrets, as a `*.log` file of the test."""

BEFORE_LOGIN = "0, before the login"


Moment = Literal["comes", "leaves"]
"""When a file does this."""


def digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


@dataclass(frozen=True)
class Death:
    """How a poll ended: by the kill, or with an exit code before it came."""

    killed: bool
    code: int | None
    seconds: float


class Victim:
    """Polls of one account that can be killed at any moment. A context manager."""

    def __init__(self, account: Account) -> None:
        self.log = account.folder / "victim.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, victim.__file__, account.config],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._process.communicate()
        print(self.log.read_text(errors="replace")[-_LONGEST_SHOWN:])

    def poll(
        self, seconds: float = UNDISTURBED, watch: tuple[Path, Moment] | None = None, *, days: int = 0
    ) -> Death:
        """One poll, killed if it lives longer than this, since its start or since that moment in a directory.

        By its clock it takes place so many days later than now.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps([seconds, watch, days], default=str)}\n")
        self._process.stdin.flush()
        return Death(**json.loads(self._process.stdout.readline()))


class Consumer(threading.Thread):
    """Takes messages out of an account's sink at random moments, as soon as they are visible.

    `taken` has the digest of each as it was when it was taken. A context manager; leaving it ends it.
    """

    def __init__(self, account: Account, seed: int) -> None:
        super().__init__(name="consumer")
        self.taken: Counter[str] = Counter()
        self.without_description: list[str] = []
        self._sink = account.sink
        self._to = account.folder / "taken"
        self._to.mkdir()
        self._random = random.Random(seed)
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(self._random.uniform(0, _PAUSE)):
            likely = self._random.random()
            for path in (*self._sink.glob("*.eml"), *self._sink.glob("new/*")):
                if self._random.random() < likely:
                    self._take(path)

    def _take(self, path: Path) -> None:
        if path.suffix == ".eml" and not path.with_suffix(".json").exists():
            self.without_description.append(path.name)
        taken = path.rename(self._to / path.name)
        self.taken[digest(taken.read_bytes())] += 1


@dataclass(frozen=True)
class Remains:
    """What a poll left in the ledger, in staging and on the server. The default is what was before the first."""

    half_done: frozenset[str] = frozenset()
    known: frozenset[bytes] = frozenset()
    stored: frozenset[bytes] = frozenset()
    staging: frozenset[str] = frozenset()
    on_server: frozenset[bytes] = frozenset()
    logins: int = 0

    @classmethod
    def of(cls, account: Account) -> Self:
        """Look at everything, touch nothing: the ledger is copied, for to open it is to recover it."""
        with tempfile.TemporaryDirectory() as copy:
            for path in (account.folder / "state").glob("ledger.db*"):
                if not path.name.endswith("-shm"):
                    shutil.copy(path, copy)
            with closing(sqlite3.connect(f"{copy}/ledger.db")) as ledger:
                rows = ledger.execute("SELECT uidl, state, name FROM message").fetchall()
        return cls(
            half_done=frozenset(name for _, state, name in rows if state == "staged"),
            known=frozenset(uidl for uidl, _, _ in rows),
            stored=frozenset(uidl for uidl, state, _ in rows if state != "staged"),
            staging=frozenset(path.name for path in staged_in(account.sink)),
            on_server=frozenset(account.peer.uidls()),
            logins=account.logins(),
        )

    def phase_since(self, before: Remains) -> str:
        """Which row of the crash table (docs/crash-safety.md) a poll was in that began at `before`."""
        if self.half_done:
            waiting = {name for name in self.half_done if self._is_staged(name)}
            return "3, recorded" if waiting == self.half_done else "4, being published, or published"
        if self.staging:
            return "1-2, arriving, or staged"
        if before.on_server - self.on_server:
            return "7, at QUIT, or after"
        if self.known - before.known:
            return "5-6, committed"
        return "0, logged in" if self.logins > before.logins else BEFORE_LOGIN

    def _is_staged(self, name: str) -> bool:
        """Whether the file that publishes the message is still in staging; a Maildir's lacks its sizes there."""
        return f"{name.partition(',')[0]}.message-staged" in self.staging
