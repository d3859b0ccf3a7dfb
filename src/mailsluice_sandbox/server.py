"""A TLS server on loopback with a thread for each connection.

Owns the listening socket, the connections and their threads. `close` ends them all, whatever the clients do.
Must never know the protocol inside TLS.
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


class TlsServer(socketserver.TCPServer):
    """Listens on a free port of 127.0.0.1 as soon as it is made. `finish_request` serves one connection.

    `door` is the occasion for faults before TLS. `finish_request` may raise OSError if its client has left.
    Any other exception is a bug, and ends the connection's thread.
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
        self._connections: dict[threading.Thread, ssl.SSLSocket] = {}
        self._acceptor = threading.Thread(
            target=self.serve_forever, args=(_POLL_SECONDS,), name=f"sandbox-{door}", daemon=True
        )
        self._acceptor.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def get_request(self) -> tuple[ssl.SSLSocket, Any]:
        """Accept a connection. Its own thread does the handshake: a slow client must not delay others."""
        plain, address = self.socket.accept()
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        except OSError:
            plain.close()
            raise
        return tls, address

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
            for tls in self._connections.values():
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(tls, socket.SHUT_RDWR)
        self.faults.close()
        for thread in threads:
            thread.join()

    def _serve(self, tls: ssl.SSLSocket, address: Any) -> None:
        try:
            self._open(tls)
            self.finish_request(tls, address)
        except OSError:
            pass  # The client left, or a fault ended the connection.
        finally:
            with self._lock:  # `close` must not shut a descriptor that was closed and given to another file
                del self._connections[threading.current_thread()]
                tls.close()

    def _open(self, tls: ssl.SSLSocket) -> None:
        armed = self.faults.take(self._door)
        if armed and Connection(tls).forestall(armed):
            raise HungUp(self._door)
        tls.settimeout(_HANDSHAKE_SECONDS)
        tls.do_handshake()
        tls.settimeout(None)
