"""The walk: the first call fails in the first poll, the second in the second, until a poll passes untouched.

Owns what has to hold after each of them.
"""

from __future__ import annotations

import json
import os
import shutil
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from crash.world import MAIL, World
from faults.fault import Calls, Fault, Span
from mailsluice.auth.keyrings.keyring import SERVICE
from mailsluice.auth.keyrings.vault import SealedVault
from mailsluice.model import State
from mailsluice_sandbox import Sandbox
from support.secrecy import leaks_below

DOCUMENTED = {0, 69, 73, 75, 77, 78}
"""The exit codes of a poll that is no bug (design: command line)."""

NEEDS_SOMEBODY = {73, 77, 78}
"""Those that do not pass by themselves: the error says what to do."""

_OTHER_WORDS = (
    "disk I/O error",
    "database or disk is full",
    "database disk image is malformed",
    "database is locked",
    "locking protocol",
    "unable to open database file",
    "attempt to write a readonly database",
    "is being polled by another process",
    "is being polled or checked by another process",
    "Temporary failure in name resolution",
    "timed out",
    "in time",
    "silent or too slow",
    "closed the connection",
    "broke off the connection",
    "EOF",
)
"""What SQLite, the resolver and OpenSSL say where they do not hand the system's error on."""


class Doomed(World):
    """A mailbox of which one poll is let down."""

    code = 0

    def let_down(self, fault: Fault) -> str:
        """Poll with this fault; which call was struck, and at what, or nothing."""
        self.code = self.poll(replace(fault, below=str(self._home), report=str(self._home / "struck")))
        with suppress(FileNotFoundError):
            return (self._home / "struck").read_text().strip()
        return ""

    @property
    def reports(self) -> list[dict[str, Any]]:
        """What the last process reported of each of its polls; nothing, if it came to none."""
        start = self.printed.find("[\n  {")
        found: list[dict[str, Any]] = (
            json.JSONDecoder().raw_decode(self.printed[start:])[0] if start >= 0 else []
        )
        return found

    @property
    def error(self) -> str:
        """What the poll that was let down said went wrong, and in what words."""
        if not self.reports:
            return self.printed.strip()
        failed = [report for report in self.reports if report["outcome"] != "ok"]
        return f"{failed[0]['outcome']}: {failed[0]['detail']}" if failed else ""

    def check_error(self, how: int) -> None:
        """It says what happened, where, and, where somebody is needed, what to do; it is no bug."""
        assert self.code in DOCUMENTED, f"exit code {self.code}: {self.printed}"
        assert "Traceback" not in self.printed, self.printed
        if self.code == 0:
            return
        error = self.error
        assert error, f"exit code {self.code} without a word: {self.printed}"
        words = (os.strerror(how), *_OTHER_WORDS) if how > 0 else _OTHER_WORDS
        places = (str(self._home), "localhost:", self.server.address)
        assert any(word in error for word in words), f"does not say what happened: {error}"
        assert any(place in error for place in places), f"does not say where: {error}"
        if self.code in NEEDS_SOMEBODY:
            assert "; " in error or "\n" in error, f"does not say what to do: {error}"

    def check_promise(self) -> None:
        """What was deleted on the server was stored; nothing that can be seen is torn, or there twice."""
        self.consume()
        stored = Counter(self.taken)
        sent = dict(zip(self.uidls, self.sent, strict=True))
        assert all(stored[sent[uidl]] == 1 for uidl in self.server.deleted), "deleted and not stored"
        assert all(stored[message] <= 1 for message in self.sent), "stored twice"
        assert stored.total() == sum(stored[message] for message in self.sent), "torn"

    def check_converged(self) -> None:
        """Each message is stored once, octet for octet; the ledger and the server agree that it is."""
        self.consume()
        self.assert_each_once()
        wanted = () if self.leave == "false" else tuple(self.uidls)
        assert self.server.remaining() == wanted, f"on the server: {self.server.remaining()}"
        known = self.ledger()
        assert known[State.STORED] + known[State.GONE] == known.total() == len(MAIL), f"ledger: {known}"
        assert leaks_below(self._home) == []

    @property
    def sent(self) -> list[bytes]:
        """The messages as this sink stores them."""
        return [m if self.sink == "spool" else m.replace(b"\r\n", b"\n") for m in MAIL]

    def remove(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self._home)


class TokenDoomed(Doomed):
    """The same, with a token for a login: its client secret is in the sealed vault."""

    def _configuration(self, sandbox: Sandbox, leave: str) -> str:
        SealedVault(self._state_dir).set_password(SERVICE, "acme", sandbox.client_secret)
        of_the_token = f"""\
kind          = "entra"
tenant_id     = "{sandbox.tenant_id}"
client_id     = "{sandbox.client_id}"
client_secret = "keyring:acme"
authority     = "{sandbox.authority}"
ca_file       = "{sandbox.ca_file}"
"""
        of_the_password = f'kind     = "password"\npassword = "file:{self._home}/password"\n'
        return super()._configuration(sandbox, leave).replace(of_the_password, of_the_token)


@dataclass(frozen=True)
class Way:
    """What is struck in one walk: which calls, and with which errors.

    Those of `after` are also met in the form that the call did its work, and those of `again` in a process
    that goes on, as well as in one that ends. The steps of the bounded form are `stride` calls long.
    """

    calls: Calls
    hows: tuple[int, ...]
    after: bool = False
    again: bool = True
    span: Span = Span.ONCE
    stride: int = 1

    @property
    def faults(self) -> list[list[Fault]]:
        """Every kind of fault that is met on this way: for each, the forms that take turns."""
        return [
            [
                Fault(calls=self.calls, how=how, span=self.span, after=after, again=again)
                for again in sorted({False, self.again})
            ]
            for how in self.hows
            for after in sorted({False, self.after})
        ]


class Walk:
    """Walks through a mailbox's poll, over and over. `new_world` makes a mailbox that was never polled."""

    def __init__(self, new_world: Callable[[], Doomed]) -> None:
        self._new_world = new_world
        self.cases = 0
        self.codes: Counter[int] = Counter()
        self.problems: list[str] = []

    def go(self, faults: Sequence[Fault], *, stride: int = 1) -> None:
        """Let every `stride`-th call fail, in polls of their own, until a poll passes untouched.

        The faults take turns.
        """
        for step, nth in enumerate(count(1, stride)):
            if not self.take(replace(faults[step % len(faults)], nth=nth)):
                return

    def take(self, fault: Fault) -> bool:
        """Poll with this fault, and look at what has to hold then; whether it struck."""
        world = self._new_world()
        struck = world.let_down(fault)
        try:
            self._check(world, fault)
            assert struck or world.code == 0, world.printed
        except (AssertionError, OSError):  # OSError: a description that is missing, say
            self.problems.append(f"{fault}: {struck or 'nothing'} struck\n{traceback.format_exc(limit=-2)}")
        world.remove()
        if struck:
            self.cases += 1
            self.codes[world.code] += 1
        return bool(struck)

    def _check(self, world: Doomed, fault: Fault) -> None:
        world.check_error(fault.how)
        world.check_promise()
        if fault.again and len(world.reports) == 2 and world.reports[0]["outcome"] != "ok":
            assert world.reports[1]["outcome"] == "ok", f"the same process does not go on: {world.printed}"
            world.check_converged()
            return
        assert world.poll() == 0, f"the next poll fails: {world.printed}"
        world.check_converged()


def numbered(folder: Path) -> Iterator[Path]:
    """A new directory in `folder`, and another."""
    for number in count(1):
        home = folder / f"{number}"
        home.mkdir()
        yield home
