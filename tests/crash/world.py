"""One mailbox polled by a program that is killed: its server, its sink, and a consumer who is quick."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import pytest

from crash.victim import Fate, Point, ordered
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import MailboxKey, State
from mailsluice_sandbox import Sandbox, mail
from support.staging import staged_in

KILLED = -9
PASSWORD = "canary-password"
MAIL = (mail.note(1), mail.scan(2, 60_000), mail.invoice(3))
"""Of these the second is so large that it comes in several pieces."""

FILES_A_MESSAGE = {"spool": 2, "maildir": 1}
UNTROUBLED = Fate()
_NEVER_SO_MANY = 6
_VICTIM = Path(__file__).with_name("victim.py")
_TESTS = Path(__file__).parent.parent
"""From where a script that is run imports what the tests share."""


class Nursery:
    """The process that forks a child for each poll: `script`, with these variables set. See `victim`."""

    def __init__(self, script: Path = _VICTIM, **variables: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(_TESTS)} | variables,
        )

    def poll(self, config: Path, output: Path, fate: Fate) -> int:
        """Poll once; the exit code, negative for a signal. Reports and log are added to `output`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(ordered(fate, ["-c", str(config), "poll", "--json"], output))
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        with self._process as process:
            process.kill()


class World:
    """One mailbox of a sandbox that others use too, with a configuration of its own.

    `place` is the sink's directory and `state_dir` the ledger's, both below `home` unless named; `mail` waits.
    """

    def __init__(
        self,
        home: Path,
        sandbox: Sandbox,
        nursery: Nursery,
        *,
        sink: str,
        leave: str,
        place: Path | None = None,
        state_dir: Path | None = None,
        mail: Sequence[bytes] = MAIL,
    ) -> None:
        self.sink = sink
        self.leave = leave
        self.printed = ""
        self.log = ""
        self._home = home
        self.place = place or home / "sink"
        self.server = sandbox.mailbox(f"{uuid4()}@acme.example", PASSWORD)
        self._key = MailboxKey(sandbox.host, self.server.address)
        self._mail = mail
        self._state_dir = state_dir or home / "state"
        self.config = home / "mailsluice.toml"
        self._nursery = nursery
        self.taken: list[bytes] = []
        self.config.write_text(self._configuration(sandbox, leave))
        (home / "password").write_text(PASSWORD)
        (home / "password").chmod(0o600)
        self.uidls = [self.server.deliver(message) for message in mail]

    def _configuration(self, sandbox: Sandbox, leave: str) -> str:
        return f"""\
service.state_dir = "{self._state_dir}"
[credentials.old]
kind     = "password"
password = "file:{self._home}/password"
[mailboxes.invoices]
address         = "{self.server.address}"
credential      = "old"
host            = "{sandbox.host}"
port            = {sandbox.pop3_port}
ca_file         = "{sandbox.ca_file}"
sink            = {{ kind = "{self.sink}", path = "{self.place}" }}
leave_on_server = {leave}
"""

    @property
    def files_a_message(self) -> int:
        return FILES_A_MESSAGE[self.sink]

    def poll(self, fate: Fate = UNTROUBLED) -> int:
        """Poll once, as a new process; its exit code. What it prints is in `printed`, and printed again."""
        output = self._home / f"output-{len(list(self._home.glob('output-*')))}"
        code = self._nursery.poll(self.config, output, fate)
        self.printed = output.read_text()
        self.log += self.printed
        print(self.printed)
        return code

    def kill(self, point: Point, *, days: int = 0) -> None:
        """Poll, be killed at this point, and let the consumer take what there is to see."""
        assert self.poll(Fate(point, days=days)) == KILLED, f"survived {point}"
        self.consume()

    def consume(self) -> None:
        """Take every message that can be seen away, as a consumer does, and its description; each is whole."""
        for path in self.visible():
            description = path.with_suffix(".json")
            if self.sink == "spool":
                digest = json.loads(description.read_bytes())["sha256"]
                assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
            self.taken.append(path.read_bytes())
            path.unlink()
            if self.sink == "spool":
                description.unlink()

    def visible(self) -> list[Path]:
        return sorted(self.place.glob("*.eml" if self.sink == "spool" else "new/*"))

    def staged(self) -> list[Path]:
        return staged_in(self.place)

    def settle(self, *, days: int = 0) -> None:
        """Poll until nothing changes any more, each time as a new process."""
        for _ in range(_NEVER_SO_MANY):
            before = self._state()
            assert self.poll(Fate(days=days)) == 0
            if self._state() == before:
                return
        pytest.fail("it never came to rest")

    def _state(self) -> tuple[Any, ...]:
        return self.visible(), self.staged(), self.server.remaining(), self.server.retrieved

    def assert_each_once(self) -> None:
        """Every message came once, octet for octet, and nothing else did; staging is empty."""
        came = Counter([*self.taken, *(path.read_bytes() for path in self.visible())])
        sent = list(self._mail)
        if self.sink == "maildir":
            sent = [message.replace(b"\r\n", b"\n") for message in sent]
        assert [came[message] for message in sent] == [1] * len(sent)
        assert came.total() == len(sent)
        assert self.staged() == []

    def ledger(self) -> Counter[State]:
        """How many messages the ledger has in each state."""
        with Ledger(self._state_dir, read_only=True) as ledger:
            return Counter(known.state for known in ledger.messages.known(self._key).values())
