"""A proxy on loopback that knows only CONNECT, and does to it whatever a test wants."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"
Behaviour = Callable[[socket.socket, bytes], None]


class ConnectProxy:
    """A context manager. `behave` is called with each connection and the request that came over it.

    `requests` are all requests so far. `stop` closes the listener and every connection; `start` begins again
    on the same port.
    """

    def __init__(self, behave: Behaviour | None = None) -> None:
        self.behave = behave or tunnel
        self.requests: list[bytes] = []
        self.over = threading.Event()
        self._port = 0
        self._threads: list[threading.Thread] = []
        self._wires: list[socket.socket] = []

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self.over.clear()
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        self._begin(self._accept, self._listener)

    def stop(self) -> None:
        self.over.set()
        for wire in (self._listener, *self._wires):
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._threads, self._wires = [], []

    def _begin(self, work: Callable[[socket.socket], None], wire: socket.socket) -> None:
        thread = threading.Thread(target=work, args=(wire,))
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                wire, _ = listener.accept()
                self._wires.append(wire)
                self._begin(self._serve, wire)

    def _serve(self, wire: socket.socket) -> None:
        with wire, suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                octets = wire.recv(65536)
                if not octets:
                    return
                request += octets
            self.requests.append(request)
            self.behave(wire, request)


def target_of(request: bytes) -> tuple[str, int]:
    """Host and port that a request asks for."""
    host, _, port = request.split()[1].decode().rpartition(":")
    return host.strip("[]"), int(port)


def tunnel(wire: socket.socket, request: bytes) -> None:
    """Do what is asked, until one of the two ends closes."""
    with socket.socket() as server:
        server.connect(target_of(request))
        wire.sendall(OPENED)
        relay(wire, server)


def relay(one: socket.socket, other: socket.socket) -> None:
    """Hand on what comes from each of the two to the other."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select():
                octets = key.fileobj.recv(65536)  # type: ignore[union-attr]
                if not octets:
                    return
                key.data.sendall(octets)


def saying(octets: bytes) -> Behaviour:
    """Answer so, and hang up."""

    def behave(wire: socket.socket, _: bytes) -> None:
        wire.sendall(octets)

    return behave


def refusing(status: int, *fields: str) -> Behaviour:
    """Answer with this status, as a proxy does, with a page that explains it."""
    head = "\r\n".join([f"HTTP/1.1 {status} Because", *fields, "Content-Length: 5", "", "no no"])
    return saying(head.encode())


def silent(wire: socket.socket, _: bytes) -> None:
    """Say nothing until the client hangs up."""
    while wire.recv(65536):
        pass


def silent_in_the_tunnel(wire: socket.socket, request: bytes) -> None:
    """Open the tunnel, and hand on nothing."""
    wire.sendall(OPENED)
    silent(wire, request)


def demanding(user: str, password: Callable[[], str]) -> Behaviour:
    """Want this user and the password of the moment, by Basic."""
    from base64 import b64encode

    def behave(wire: socket.socket, request: bytes) -> None:
        right = b64encode(f"{user}:{password()}".encode())
        if b"Proxy-Authorization: Basic " + right + b"\r\n" in request:
            tunnel(wire, request)
        else:
            wire.sendall(
                b'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="a, b"\r\nContent-Length: 0\r\n\r\n'
            )

    return behave
