"""The server that mail is fetched from: one Dovecot, a new mailbox for each run, and the line to it.

Owns the server's side of a run. Must never know which tool fetches.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import click

from benchmarks.mail import Load, Stock
from benchmarks.proxy import DelayingProxy, RoundTrips
from benchmarks.rewriting import WithoutPipelining
from peers.dovecot import Dovecot, PeerMailbox, why_missing


@dataclass(frozen=True)
class Reach:
    """Where a fetcher finds the server, and what certificate it has to trust.

    The round trips that it makes are None where they are not counted: there is no proxy in between.
    """

    port: int
    ca_file: Path
    round_trips: RoundTrips | None


class Server:
    """A running Dovecot. Loads are made once, in `folder`, on the file system of Dovecot's mail."""

    def __init__(self, dovecot: Dovecot, folder: Path) -> None:
        self.password = dovecot.password
        self._dovecot = dovecot
        self._folder = folder
        self._stocks: dict[Load, Stock] = {}
        self._numbers = count(1)

    def stock(self, load: Load) -> Stock:
        """The load as files."""
        if load not in self._stocks:
            self._stocks[load] = Stock(load, self._folder / load.name)
        return self._stocks[load]

    def mailbox(self, load: Load) -> PeerMailbox:
        """A mailbox that nobody opened yet, with this load in it."""
        mailbox = self._dovecot.mailbox(f"bench-{next(self._numbers)}@contoso.test")
        self.stock(load).fill(mailbox.maildir / "cur")
        return mailbox

    @contextmanager
    def reach(self, round_trip: float, *, pipelining: bool) -> Iterator[Reach]:
        """The way to the server, `round_trip` seconds long, with or without PIPELINING at its end."""
        with ExitStack() as stack:
            port, ca_file, trips = self._dovecot.port, self._dovecot.ca_file, None
            if not pipelining:
                rewriting = stack.enter_context(WithoutPipelining(port, ca_file, self._folder))
                port, ca_file = rewriting.port, rewriting.ca_file
            if round_trip:
                proxy = stack.enter_context(DelayingProxy(port, round_trip))
                port, trips = proxy.port, proxy.round_trips
            yield Reach(port, ca_file, trips)


@contextmanager
def running_server() -> Iterator[Server]:
    """A Dovecot to fetch from, and nothing left of it afterwards. Raises ClickException where there is none."""
    if missing := why_missing():
        raise click.ClickException(missing)
    # In /tmp, where Dovecot's mailboxes are: mailboxes are filled with hard links, and these need one disk.
    with Dovecot() as dovecot, tempfile.TemporaryDirectory(prefix="mailsluice-bench-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)  # fdm reads the certificates as another user
        yield Server(dovecot, Path(folder))
