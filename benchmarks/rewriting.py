"""A server without PIPELINING: a relay that ends TLS, and removes the word from the answer to CAPA.

Owns its certificate. Must never change anything else. It is needed because no configuration stops Dovecot
from advertising PIPELINING. It is only for clients that wait for each answer: one that pipelines could fill
both sockets at once, and then the relay would hang for ever.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from benchmarks.listening import Listener

_CHUNK = 256 * 1024
_PATIENCE = 10.0
"""Seconds for a relay to end after its client has."""
_CAPABILITIES = b"+OK\r\nCAPA\r\n"
"""How Dovecot's answer to CAPA begins, in one write. No message of the benchmark does."""


class WithoutPipelining:
    """Relays 127.0.0.1:`port` to the TLS server at `target`, whose `ca_file` it trusts. A context manager.

    Writes the certificate to be trusted to `self.ca_file`, in `folder`.
    """

    def __init__(self, target: int, ca_file: Path, folder: Path) -> None:
        self._target = target
        self._upstream = ssl.create_default_context(cafile=str(ca_file))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority = trustme.CA()
        authority.issue_cert("localhost", "127.0.0.1", common_name="localhost").configure_cert(self._context)
        self.ca_file = folder / "without-pipelining-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self._relays: list[threading.Thread] = []
        self._listener = Listener(self._serve, "without-pipelining")
        self.port = self._listener.port

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._listener.close()
        for relay in self._relays:
            relay.join(_PATIENCE)

    def _serve(self, client: socket.socket) -> None:
        relay = threading.Thread(target=self._relay, args=(client,), name="relay", daemon=True)
        relay.start()
        self._relays.append(relay)

    def _relay(self, client: socket.socket) -> None:
        with (
            client,
            suppress(OSError),
            self._context.wrap_socket(client, server_side=True) as down,
            socket.create_connection(("127.0.0.1", self._target)) as raw,
            self._upstream.wrap_socket(raw, server_hostname="localhost") as up,
        ):
            for end in (down, up):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _exchange(down, up)


def _exchange(client: ssl.SSLSocket, server: ssl.SSLSocket) -> None:
    """Until one of them ends."""
    with selectors.DefaultSelector() as ready:
        ready.register(client, selectors.EVENT_READ, server)
        ready.register(server, selectors.EVENT_READ, client)
        while True:
            for key, _ in ready.select():
                source, destination = key.fileobj, key.data
                assert isinstance(source, ssl.SSLSocket)
                while chunk := source.recv(_CHUNK):
                    destination.sendall(without_pipelining(chunk))
                    if not source.pending():
                        break
                else:
                    return


def without_pipelining(chunk: bytes) -> bytes:
    """What the server sent, without the word if it is the answer to CAPA."""
    return chunk.replace(b"\r\nPIPELINING\r\n", b"\r\n", 1) if chunk.startswith(_CAPABILITIES) else chunk
