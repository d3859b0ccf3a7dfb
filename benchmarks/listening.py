"""A listening socket on loopback and the thread that accepts connections, for the benchmarks' relays.

Owns both. Must never touch a connection that it has handed over.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress


class Listener:
    """Hands each connection to 127.0.0.1:`port` to `serve`, one after the other, from `start` to `close`."""

    def __init__(self, serve: Callable[[socket.socket], None], name: str) -> None:
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._socket.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name=name, daemon=True)

    def start(self) -> None:
        """Until now, who connects waits."""
        self._accepting.start()

    def close(self) -> None:
        """Returns when the last connection to be accepted has been handed over."""
        # Closing the socket would not wake the thread that waits in accept(2).
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._accepting.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._serve(connection)
