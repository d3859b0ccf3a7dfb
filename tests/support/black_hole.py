"""An address that answers nothing, as behind a firewall or in an address family with no way out."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

_HOST = "127.0.0.1"


@contextmanager
def black_hole() -> Iterator[tuple[str, int]]:
    """Host and port of a listener whose backlog is full: it drops what comes next."""
    with socket.socket() as full, ExitStack() as stack:
        full.bind((_HOST, 0))
        full.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(full.getsockname())
        yield full.getsockname()
