"""What an idle poll costs: CPU, commits and round trips, with few and many kept messages and a large ledger.

The polls run in this process, in a service like the daemon's. The servers are other processes, so that only
the poller's CPU is counted. It is that of all threads, and the median of several polls. Here every poll also
writes its report. A daemon writes the reports of all mailboxes together, once a second.

Owns what an idle poll is, and its aims. Must never count the servers' work among its cost.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import click
from rich.console import Console
from rich.table import Table

from benchmarks import DISK
from benchmarks.lean import HOST, MESSAGE, SIZE, LeanServer
from benchmarks.proxy import DelayingProxy
from mailsluice.app import Service
from mailsluice.clock import SystemClock
from mailsluice.config.models import Config, Mailbox
from mailsluice.ledger.database import FILE
from mailsluice.ledger.ledger import Ledger
from mailsluice.ledger.times import to_micros
from mailsluice.obs import log
from mailsluice.system.signals import Signals
from peers.dovecot import PASSWORD, Dovecot, why_missing

POLLS, WARMING, NEW = 9, 2, 3
MILLION = 1_000_000
MANY = 99_990
"""Nearly as many as a listing may have: a few more are delivered later."""

AIMS = {5_000: 0.015, MANY: 0.150}
"""Seconds of CPU of an idle poll."""
ROUND_TRIPS = 7
"""Of an idle poll of an empty mailbox: TCP, TLS, the greeting with it, AUTH, the token, UIDL, QUIT."""
SLOWER = 1.5
"""The most by which a million rows may multiply the cost."""

_ADDRESS = "kept@bench.example"
_OTHER = "other@bench.example"
_ROW = (
    "INSERT INTO message (mailbox, uidl, state, since, gone_since, listed_size, size, sink, name, identity)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, 'spool:/nowhere', ?, randomblob(17))"
)


class Server(Protocol):
    """Who holds the mail, in another process."""

    name: str
    port: int
    ca_file: Path

    def hold(self, address: str, messages: int) -> list[bytes]:
        """See to it that the mailbox has so many, never fewer than before; their UIDLs."""
        ...


class RealServer:
    """Dovecot."""

    name = "Dovecot"

    def __init__(self, dovecot: Dovecot) -> None:
        self.port, self.ca_file = dovecot.port, dovecot.ca_file
        self._dovecot = dovecot
        self._uidls: dict[str, list[bytes]] = {}

    def hold(self, address: str, messages: int) -> list[bytes]:
        uidls = self._uidls.setdefault(address, [])
        box = self._dovecot.mailbox(address)
        uidls += box.deliver_many([MESSAGE] * (messages - len(uidls)))
        return list(uidls)


@dataclass(frozen=True)
class Costs:
    """Seconds of CPU of an idle poll, of one that finds one new message, and of the one after that.

    `commits` are those of the idle poll, its report's included.
    """

    server: str
    kept: int
    rows: int
    idle: float
    commits: int
    new: float
    after: float


class Poller:
    """A warm service with one mailbox."""

    def __init__(self, service: Service, mailbox: Mailbox, ledger: Ledger, signals: Signals) -> None:
        self.mailbox = mailbox
        self._service = service
        self._connection = ledger._database._connection
        self._signals = signals

    def poll(self, listed: int) -> float:
        """Poll once; the seconds of CPU that took in all threads of this process."""
        before = time.process_time()
        (polled,) = self._service.round([self.mailbox], self._signals)
        seconds = time.process_time() - before
        if (polled.report.outcome, polled.report.listed) != ("ok", listed):
            raise RuntimeError(f"not as it should be: {polled.report}")
        return seconds

    def commits(self, act: Callable[[], object]) -> int:
        """How many transactions this makes; each is synced."""
        said: list[str] = []
        self._connection.set_trace_callback(said.append)
        act()
        self._connection.set_trace_callback(None)
        return said.count("COMMIT")


@contextmanager
def poller(home: Path, port: int, ca_file: Path, address: str, signals: Signals) -> Iterator[Poller]:
    """A service with one mailbox that keeps its mail."""
    secret = home / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    mailbox = {
        "name": "kept",
        "address": address,
        "credential": "old",
        "host": HOST,
        "port": port,
        "ca_file": str(ca_file),
        "sink": {"kind": "spool", "path": str(home / "sink")},
        "leave_on_server": True,
    }
    config = Config.model_validate(
        {
            "service": {"state_dir": str(home / "state")},
            "credentials": {"old": {"kind": "password", "password": f"file:{secret}"}},
            "mailboxes": {"kept": mailbox},
        }
    )
    ledger = Ledger(config.service.state_dir)
    with Service(config, ledger=ledger) as service:
        yield Poller(service, config.mailboxes["kept"], ledger, signals)


def remember(state_dir: Path, address: str, kept: Sequence[bytes], others: int) -> None:
    """Write into the ledger what polls of months would: the kept messages, and so many others.

    Half of these are gone from the same mailbox, evenly over the 30 days that they are remembered; the other
    half are stored messages of another.
    """
    connection = sqlite3.connect(state_dir / FILE)
    mailboxes = []
    for each in (address, _OTHER):
        connection.execute("INSERT INTO mailbox (host, address) VALUES (?, ?)", (HOST, each))
        mailboxes += connection.execute("SELECT id FROM mailbox WHERE address = ?", (each,)).fetchone()
    ours, theirs = mailboxes
    now, month, half = to_micros(SystemClock().now()), 30 * 86_400_000_000, others // 2
    stored = now - 2 * month
    rows: list[Iterator[tuple[object, ...]]] = [
        ((ours, uidl, "stored", stored, None, SIZE, SIZE, f"k{n}") for n, uidl in enumerate(kept)),
        (
            (ours, b"gone%d" % n, "gone", stored, now - month * n // half, SIZE, SIZE, f"g{n}")
            for n in range(half)
        ),
        ((theirs, b"%d" % n, "stored", stored, None, SIZE, SIZE, f"t{n}") for n in range(half)),
    ]
    for some in rows:
        connection.executemany(_ROW, some)
    connection.commit()
    connection.close()


def measure(server: Server, kept: int, others: int, signals: Signals) -> Costs:
    """Poll a mailbox with so many messages, and a ledger with so many other rows."""
    address = f"{kept}-{others}-{_ADDRESS}"
    uidls = server.hold(address, kept)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idle-", dir=DISK)))
        one = stack.enter_context(poller(home, server.port, server.ca_file, address, signals))
        remember(home / "state", address, uidls, others)
        for _ in range(WARMING):
            one.poll(kept)
        idle = statistics.median(one.poll(kept) for _ in range(POLLS))
        commits = one.commits(lambda: one.poll(kept))
        new, after = [], []
        for count in range(kept + 1, kept + 1 + NEW):
            server.hold(address, count)
            new.append(one.poll(count))
            after.append(one.poll(count))
    return Costs(server.name, kept, others, idle, commits, statistics.median(new), statistics.median(after))


def round_trips(server: Server, signals: Signals) -> int:
    """Those of an idle poll of an empty mailbox, as a relay on the way counts them."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idle-", dir=DISK)))
        relay = stack.enter_context(DelayingProxy(server.port, 0.0))
        address = f"empty-{_ADDRESS}"
        server.hold(address, 0)
        one = stack.enter_context(poller(home, relay.port, server.ca_file, address, signals))
        one.poll(0)
        before = relay.round_trips.count
        one.poll(0)
        return relay.round_trips.count - before


def table_of(found: Sequence[Costs]) -> Table:
    """The figures beside the aims."""
    table = Table(
        "server", "kept", "other rows", "idle", "at most", "with the rows", "commits", "one new", "then"
    )
    few = {(each.server, each.kept): each.idle for each in found if not each.rows}
    for each in found:
        aim = AIMS.get(each.kept)
        table.add_row(
            each.server,
            f"{each.kept:,}",
            f"{each.rows:,}",
            _ms(each.idle),
            f"≤ {_ms(aim)}" if aim else "",
            f"{each.idle / few[each.server, each.kept]:.2f} x (≤ {SLOWER})" if each.rows else "",
            str(each.commits),
            _ms(each.new),
            _ms(each.after),
        )
    return table


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


@click.command()
@click.option("--quick", is_flag=True, help="Few kept messages, in half a minute.")
def idle(*, quick: bool) -> None:
    """Polls that find nothing, with many messages kept and a million rows in the ledger."""
    cases = ((0, 0), (0, MILLION), (5_000, 0), (5_000, MILLION), (MANY, 0), (MANY, MILLION))
    console, signals = Console(width=120), Signals()
    log.configure("error", "json")
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idle-", dir=DISK)))
        lean = stack.enter_context(LeanServer(home))
        servers: list[Server] = [lean]
        if missing := why_missing():
            console.print(f"without Dovecot: {missing}")
        else:
            servers.append(RealServer(stack.enter_context(Dovecot())))
        found = [
            measure(server, kept, others, signals)
            for kept, others in (cases[:3] if quick else cases)
            for server in servers
            if kept < MANY or server is lean  # it takes minutes to deliver so many to Dovecot
        ]
        trips = {server.name: round_trips(server, signals) for server in servers}
    console.print(table_of(found))
    for name, count in trips.items():
        console.print(f"{name}: an idle poll of an empty mailbox takes {count} round trips (≤ {ROUND_TRIPS})")
