"""Where a case is played: the sandboxes, the poller beside them, and what can be seen afterwards.

Owns the polls of a case. Must never say how one should end: that is the corpus's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme

from hostile import victim
from hostile.case import PATIENT, Case, letter
from mailsluice.config.models import Mailbox
from mailsluice.failure import LONG_ENOUGH, TRIES
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import State
from mailsluice.pop3.deadlines import Deadlines
from mailsluice_sandbox import Fault, Refuse, Sandbox, SandboxMailbox
from support.ageing import age_failures

HOSTILE, NEIGHBOUR = "hostile", "neighbour"


@dataclass(frozen=True, slots=True)
class Seen:
    """How one poll went. `log` has its events, but for the neighbour's."""

    outcome: str
    detail: str
    seconds: float
    above_idle: int
    """KiB."""
    stored: int
    neighbour: dict[str, Any]
    log: tuple[dict[str, Any], ...]
    log_octets: int

    @property
    def events(self) -> set[str]:
        return {entry["event"] for entry in self.log}


@dataclass(frozen=True, slots=True)
class Played:
    """How a case went. `spool` is what the hostile mailbox's spool had after the hostile poll, and at the end.

    `gone` is how many messages its ledger took for gone after the hostile poll.
    """

    hostile: Seen
    after: Seen
    spool: tuple[tuple[bytes, ...], tuple[bytes, ...]]
    remaining: int
    gone: int


class Nursery:
    """The poller's process. A context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, victim.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._process.communicate()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert answer, "the poller died"
        return answer


class World:
    """A hostile sandbox, a good one, and a poller. One for many cases; a context manager."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.authority = trustme.CA()
        self._played = 0

    def __enter__(self) -> Self:
        self._nursery = self._stack.enter_context(Nursery())
        self._hostile = self._stack.enter_context(Sandbox())
        self._good = self._stack.enter_context(Sandbox())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._stack.close()

    def play(self, case: Case, home: Path) -> Played:
        """Play a case, in a folder of its own."""
        self._played += 1
        stage = _Stage(case, home, self._nursery, self._hostile, self._good, self._played)
        if case.known:
            stage.poll(PATIENT)
        if case.refused:
            stage.refuse(TRIES - 1)
        with stage.hostility(self.authority) as port:
            hostile = stage.poll(case.deadlines, port, by_token=case.token)
        spool, gone = stage.spool(), stage.gone()
        after = stage.poll(PATIENT)
        return Played(hostile, after, (spool, stage.spool()), len(stage.mailbox.remaining()), gone)


class _Stage:
    """One case's mailboxes, and its polls."""

    def __init__(
        self, case: Case, home: Path, nursery: Nursery, hostile: Sandbox, good: Sandbox, number: int
    ) -> None:
        self._case = case
        self._home = home
        self._nursery = nursery
        self._hostile = hostile
        self._good = good
        self._number = number
        self._logged = 0
        self._authority_file = home / "authority.pem"
        self.mailbox = self._filled(hostile, HOSTILE, case.mail, case.uidls)
        self._refusal = Fault("RETR", Refuse("no"), uidl=self.mailbox.remaining()[0], times=None)

    def refuse(self, polls: int) -> None:
        """Poll so often in vain for the first message."""
        self._hostile.faults.add(self._refusal)
        for _ in range(polls):
            self.poll(PATIENT)
        age_failures(self._home / "state", LONG_ENOUGH)
        self._hostile.faults.clear()

    @contextmanager
    def hostility(self, authority: trustme.CA) -> Iterator[int | None]:
        """While this lasts, the server is hostile; the port of its door, where it has one."""
        authority.cert_pem.write_to_path(str(self._authority_file))
        refusals = (self._refusal,) if self._case.refused else ()
        for fault in (*refusals, *self._case.faults):
            self._hostile.faults.add(fault)
        try:
            if self._case.door is None:
                yield None
            else:
                with self._case.door(authority) as port:
                    yield port
        finally:
            self._hostile.faults.clear()

    def poll(self, deadlines: Deadlines, door: int | None = None, *, by_token: bool = False) -> Seen:
        """Poll the hostile mailbox, and beside it one that has new mail."""
        self._filled(self._good, NEIGHBOUR, (letter(1), letter(2)))
        hostile = self._hostile_section()
        if door is not None:
            hostile |= {"port": door, "ca_file": str(self._authority_file)}
        said = self._nursery.ask(
            {
                "home": str(self._home),
                "mailboxes": [hostile, self._section(NEIGHBOUR, self._good)],
                "deadlines": asdict(deadlines),
                "by_token": [HOSTILE] if by_token else [],
            }
        )
        log, octets = self._log()
        report, neighbour = said["reports"]
        return Seen(
            outcome=report["outcome"],
            detail=report["detail"],
            seconds=report["seconds"],
            above_idle=said["above_idle"],
            stored=report["stored"],
            neighbour=neighbour,
            log=tuple(entry for entry in log if entry.get("mailbox") != NEIGHBOUR),
            log_octets=octets,
        )

    def spool(self) -> tuple[bytes, ...]:
        return tuple(sorted(path.read_bytes() for path in (self._home / HOSTILE).glob("*.eml")))

    def gone(self) -> int:
        """How many messages of the hostile mailbox the ledger takes for gone."""
        mailbox = Mailbox.model_validate(self._hostile_section())
        with Ledger(self._home / "state", read_only=True) as ledger:
            return sum(known.state is State.GONE for known in ledger.messages.known(mailbox.key).values())

    def _address(self, name: str) -> str:
        return f"{name}-{self._number}@acme.example"

    def _filled(
        self, sandbox: Sandbox, name: str, mail: tuple[bytes, ...], uidls: tuple[bytes, ...] | None = None
    ) -> SandboxMailbox:
        mailbox = sandbox.mailbox(self._address(name), victim.PASSWORD)
        for place, octets in enumerate(mail):
            mailbox.deliver(octets, uidls[place] if uidls else None)
        return mailbox

    def _hostile_section(self) -> dict[str, Any]:
        return self._section(HOSTILE, self._hostile) | {
            "leave_on_server": self._case.keep,
            "max_message": self._case.max_message,
        }

    def _section(self, name: str, sandbox: Sandbox) -> dict[str, Any]:
        return {
            "name": name,
            "address": self._address(name),
            "credential": "acme",
            "host": sandbox.host,
            "port": sandbox.pop3_port,
            "ca_file": str(sandbox.ca_file),
            "sink": {"kind": "spool", "path": str(self._home / name)},
        }

    def _log(self) -> tuple[list[dict[str, Any]], int]:
        """What was logged since the last look."""
        with (self._home / "victim.log").open("rb") as log:
            log.seek(self._logged)
            lines = log.read()
        self._logged += len(lines)
        return [json.loads(line) for line in lines.splitlines()], len(lines)
