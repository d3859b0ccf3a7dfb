"""The poller that meets hostile servers: imported once, forked for each case, so that its memory can be told.

A program. For each line of JSON on standard input it forks a child that polls a hostile mailbox and, at the
same time in another thread, a well-behaved one; the child answers with a line of JSON. It logs as the daemon
does, to `victim.log` in the case's folder.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from mailsluice.clock import SystemClock
from mailsluice.config.models import Mailbox
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import BearerToken, Login, Password
from mailsluice.net.connections import Connections
from mailsluice.obs import log, outlet
from mailsluice.polling.slots import Slots
from mailsluice.polling.under_way import UnderWay
from mailsluice.pop3.client import connect
from mailsluice.pop3.deadlines import Deadlines
from mailsluice.session.context import Context
from mailsluice.session.run import poll
from support.sinks import sinks_of

LONGEST = 55
"""Seconds a child may live: only a broken one takes so long."""

TOKEN = "canary-token"
PASSWORD = "canary-password"


class Logins:
    """A password for everybody, or a token for the mailboxes named."""

    def __init__(self, by_token: list[str]) -> None:
        self._by_token = by_token

    def login(self, mailbox: Mailbox) -> Login:
        return BearerToken(TOKEN) if mailbox.name in self._by_token else Password(PASSWORD)

    def accepted(self, mailbox: Mailbox, login: Login) -> None:
        pass

    def refused(self, mailbox: Mailbox, login: Login) -> None:
        pass


def kib(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


def polled(home: Path, mailboxes: list[Mailbox], deadlines: Deadlines, by_token: list[str]) -> dict[str, Any]:
    """Poll all at once; how each went, and how much more memory it took than idleness, in KiB."""
    clock, connections = SystemClock(), Connections()
    with Ledger(home / "state") as ledger, ThreadPoolExecutor(len(mailboxes)) as pool:
        parts = Context(
            credentials=Logins(by_token),
            connect=partial(connect, clock=clock, connections=connections, deadlines=deadlines),
            ledger=ledger,
            open_sink=sinks_of(ledger).open,
            sink_at=sinks_of(ledger).at,
            clock=clock,
            stop=threading.Event(),
            slots=Slots(16, clock),
            progress=UnderWay(clock),
        )
        idle = kib("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak begins anew
        reports = [done.result().report for done in [pool.submit(poll, box, parts) for box in mailboxes]]
        peak = kib("VmHWM")
    return {
        "above_idle": peak - idle,
        "reports": [asdict(report) | {"started": ""} for report in reports],
    }


def child(request: dict[str, Any]) -> None:
    """Never returns."""
    code = 70
    try:
        signal.alarm(LONGEST)
        home = Path(request["home"])
        os.dup2(os.open(home / "victim.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
        log.configure("info", "json")
        mailboxes = [Mailbox.model_validate(mailbox) for mailbox in request["mailboxes"]]
        deadlines = Deadlines(**request["deadlines"])
        print(json.dumps(polled(home, mailboxes, deadlines, request["by_token"])), flush=True)
        code = 0
    finally:
        outlet.drain()
        os._exit(code)


def serve() -> None:
    """Answer every request; an empty answer is that of a child that died."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            child(json.loads(line))
        _, status = os.waitpid(pid, 0)
        if status:
            print("{}", flush=True)


if __name__ == "__main__":
    serve()
