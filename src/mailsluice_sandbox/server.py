"""A server on loopback with a thread for each connection: with TLS at once, or later.

Owns the listening socket, the connections and their threads. `close` ends them all, whatever the clients do.
Must never know the protocol it carries.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from typing import Any

from mailsluice_sandbox.connection import Connection, HungUp
from mailsluice_sandbox.faults import Faults, When

_HANDSHAKE_SECONDS = 10.0
_POLL_SECONDS = 0.02  # how long `close` waits for the accepting thread, at most


class Server(socketserver.TCPServer):
    """Listens on a free port of 127.0.0.1 as soon as it is made. `finish_request` serves one connection.

    `door` is the occasion for faults before anything is said. `finish_request` may raise OSError if its
    client has left. Any other exception is a bug, and ends the connection's thread.
    """

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self,
        context: ssl.SSLContext,
        faults: Faults,
        door: When,
        handler: type[socketserver.BaseRequestHandler] = socketserver.BaseRequestHandler,
    ) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.faults = faults
        self._context = context
        self._door: When = door
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._acceptor = threading.Thread(
            target=self.serve_forever, args=(_POLL_SECONDS,), name=f"sandbox-{door}", daemon=True
        )
        self._acceptor.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        plain, address = self.socket.accept()
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self.wrap(plain), address
        except OSError:
            plain.close()
            raise

    def wrap(self, plain: socket.socket) -> socket.socket:
        """The socket that serves a connection. This one begins without TLS."""
        return plain

    def secure(self, plain: socket.socket) -> ssl.SSLSocket:
        """Begin TLS on the connection of this thread, and do the handshake. Raises OSError."""
        with self._lock:  # `close` must know the socket that has the descriptor
            tls = self._tls(plain)
            self._connections[threading.current_thread()] = tls
        self._shake_hands(tls)
        return tls

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in its own thread."""
        thread = threading.Thread(
            target=self._serve,
            args=(request, client_address),
            name=f"{self._acceptor.name}-client",
            daemon=True,
        )
        with self._lock:
            self._connections[thread] = request
        thread.start()

    def close(self) -> None:
        """Stop listening, end every connection and silence, and wait for their threads."""
        self.shutdown()
        self._acceptor.join()
        self.server_close()
        # After that no connection can be added. First the sockets are shut, so that no thread waits in one.
        with self._lock:
            threads = list(self._connections)
            for connection in self._connections.values():
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self.faults.close()
        for thread in threads:
            thread.join()

    def _serve(self, connection: socket.socket, address: Any) -> None:
        try:
            self._open(connection)
            self.finish_request(connection, address)
        except OSError:
            pass  # The client left, or a fault ended the connection.
        finally:
            with self._lock:  # `close` must not shut a descriptor that was closed and given to another file
                self._connections.pop(threading.current_thread()).close()

    def _open(self, connection: socket.socket) -> None:
        armed = self.faults.take(self._door)
        if armed and Connection(connection).forestall(armed):
            raise HungUp(self._door)

    def _tls(self, plain: socket.socket) -> ssl.SSLSocket:
        return self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)

    def _shake_hands(self, tls: ssl.SSLSocket) -> None:
        tls.settimeout(_HANDSHAKE_SECONDS)
        tls.do_handshake()
        tls.settimeout(None)


class TlsServer(Server):
    """A server whose connections begin with TLS. Their own threads do the handshakes: none delays another."""

    def wrap(self, plain: socket.socket) -> socket.socket:
        """A socket with TLS."""
        return self._tls(plain)

    def _open(self, connection: socket.socket) -> None:
        super()._open(connection)
        assert isinstance(connection, ssl.SSLSocket)  # noqa: S101  by `wrap`
        self._shake_hands(connection)
