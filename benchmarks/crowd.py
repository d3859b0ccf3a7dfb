"""A lean POP3 server for thousands of mailboxes. It is a process of its own, with a simulated Entra.

Owns what clients see of its mailboxes, which get no mail after the messages that they begin with. Must never
cost so much that it limits what is measured. So it has one event loop; the sandbox has a thread for each
session. It prints one line of JSON when it is ready, and ends when its standard input ends.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import click

from mailsluice.clock import SystemClock
from mailsluice_sandbox.certificates import Certificates
from mailsluice_sandbox.entra import Entra
from mailsluice_sandbox.faults import Faults

_OPENING_ROUND_TRIPS = 2
"""TCP's and TLS 1.3's, which pass before the greeting can be read (RFC 8446 §2)."""
_DRIBBLE_OCTETS = 64
"""Octets a second of a slow mailbox's messages."""
_CAPABILITIES = (b"TOP", b"UIDL", b"SASL PLAIN XOAUTH2", b"USER")
_UNKNOWN = b"-ERR Protocol error. 14\r\n"


@dataclass(frozen=True)
class Crowd:
    """What every mailbox begins with, and how far away it is."""

    messages: int
    octets: int
    round_trip: float
    slow: str
    entra: Entra
    boxes: dict[str, dict[int, bytes]] = field(default_factory=dict)

    def box(self, address: str) -> dict[int, bytes]:
        """What is left in a mailbox, by the numbers its UIDLs have."""
        if address not in self.boxes:
            self.boxes[address] = {n: self._message(address, n) for n in range(1, self.messages + 1)}
        return self.boxes[address]

    def _message(self, address: str, number: int) -> bytes:
        header = f"Message-ID: <{number}.{address}>\r\nSubject: {number}\r\nTo: {address}\r\n\r\n".encode()
        line = b"All work and no play makes for many octets in a line of text.\r\n"
        return (header + line * (self.octets // len(line) + 1))[: self.octets - 2] + b"\r\n"


class Session(asyncio.Protocol):
    """One connection: the commands that mailsluice says, answered a round trip later."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._loop = asyncio.get_running_loop()
        self._address = ""
        self._listed: list[int] = []
        self._deleted: set[int] = set()
        self._in_login = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, when TCP and TLS have had their round trips."""
        assert isinstance(transport, asyncio.Transport)  # what asyncio promises for TCP
        self._transport = transport
        self._later(_OPENING_ROUND_TRIPS, b"+OK The crowd is ready.\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer what came in one go in one go."""
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        if lines:
            self._later(1, b"".join([self._answer(line) for line in lines]))

    def _later(self, round_trips: int, answer: bytes) -> None:
        if self._address == self._crowd.slow and len(answer) > _DRIBBLE_OCTETS * 4:
            self._loop.create_task(self._dribble(answer))
        elif delay := round_trips * self._crowd.round_trip:
            self._loop.call_later(delay, self._transport.write, answer)
        else:
            self._transport.write(answer)

    async def _dribble(self, answer: bytes) -> None:
        while answer and not self._transport.is_closing():
            self._transport.write(answer[:_DRIBBLE_OCTETS])
            answer = answer[_DRIBBLE_OCTETS:]
            await asyncio.sleep(1)

    def _answer(self, line: bytes) -> bytes:
        if self._in_login:
            return self._login(line)
        match line.split():
            case [b"AUTH", b"XOAUTH2"]:
                self._in_login = True
                return b"+ \r\n"
            case [(b"RETR" | b"DELE") as verb, number]:
                return self._message(verb, self._listed[int(number) - 1])
            case [b"QUIT"]:
                for uidl in self._deleted:
                    del self._crowd.box(self._address)[uidl]
                return b"+OK\r\n"
            case [verb]:
                return self._overview(verb)
        return _UNKNOWN

    def _message(self, verb: bytes, uidl: int) -> bytes:
        if verb == b"RETR":
            return b"+OK\r\n%b.\r\n" % self._crowd.box(self._address)[uidl]
        self._deleted.add(uidl)
        return b"+OK\r\n"

    def _overview(self, verb: bytes) -> bytes:
        size = self._crowd.octets
        if verb == b"STAT":
            return b"+OK %d %d\r\n" % (len(self._listed), len(self._listed) * size)
        bodies = {
            b"CAPA": _CAPABILITIES,
            b"UIDL": [b"%d %d" % row for row in enumerate(self._listed, 1)],
            b"LIST": [b"%d %d" % (number, size) for number, _ in enumerate(self._listed, 1)],
        }
        return b"\r\n".join([b"+OK", *bodies[verb], b".", b""]) if verb in bodies else _UNKNOWN

    def _login(self, line: bytes) -> bytes:
        self._in_login = False
        user, bearer, *_ = base64.b64decode(line).decode().split("\1")
        if bearer.removeprefix("auth=Bearer ") not in self._crowd.entra.issued:
            return b"-ERR Authentication failure: unknown user name or bad password.\r\n"
        self._address = user.removeprefix("user=")
        self._listed = list(self._crowd.box(self._address))
        return b"+OK User successfully authenticated.\r\n"


async def _serve(crowd: Crowd, certificates: Certificates) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Session(crowd), "127.0.0.1", 0, ssl=certificates.server_context(), backlog=1024
    )
    async with server:
        ready = {
            "port": server.sockets[0].getsockname()[1],
            "ca_file": str(certificates.ca_file),
            "authority": crowd.entra.authority,
            "tenant_id": crowd.entra.tenant_id,
            "client_id": crowd.entra.client_id,
            "client_secret": crowd.entra.client_secret,
        }
        print(json.dumps(ready), flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


@click.command()
@click.option("--messages", default=1, help="Messages in each mailbox at first.")
@click.option("--octets", default=4096, help="Octets of each message.")
@click.option("--round-trip", default=0.0, help="Seconds from a command to its answer.")
@click.option("--slow", default="", help="The address whose messages dribble.")
def main(messages: int, octets: int, round_trip: float, slow: str) -> None:
    """Serve until standard input ends."""
    with tempfile.TemporaryDirectory(prefix="mailsluice-crowd-") as directory:
        certificates = Certificates(Path(directory))
        entra = Entra(SystemClock(), certificates.server_context(), Faults())
        try:
            asyncio.run(_serve(Crowd(messages, octets, round_trip, slow, entra), certificates))
        finally:
            entra.close()


if __name__ == "__main__":
    main()
