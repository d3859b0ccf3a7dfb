"""A proxy's answer to CONNECT: a tunnel that lost no octet, or an error that says nothing of the password."""

from __future__ import annotations

import re
import socket
from unittest.mock import patch

from mailsluice.net import proxy as module
from mailsluice.net.proxy import Proxy, ProxyFault, reach
from support.secrecy import CANARY

SEEDS = (
    b"HTTP/1.1 200 Connection established\r\n\r\n",
    b"HTTP/1.0 200 OK\n\n+OK ready\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 Fine\r\nContent-Length: 5\r\n\r\nhello",
    b'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="a, b=c", Negotiate\r\n\r\n',
    b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM TlRMTVNTUA==\r\nProxy-Authenticate: Digest qop = x\r\n\r\n",
    b"HTTP/1.1 403 Filtered\r\nServer: tinyproxy/1.11.1\r\nContent-Length: 5\r\n\r\nno no",
    b"HTTP/1.1 503 Later\r\nRetry-After: 5\r\n\r\n",
    b"220 mail.acme.example ESMTP\r\n",
    b"\x15\x03\x01\x00\x02\x02\x46",
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * 17_000 + b"\r\n\r\n",
)
WORDS = (
    b"HTTP/1.1 ",
    b"\r\n\r\n",
    b"\n\n",
    b"100",
    b"200",
    b"407",
    b"Proxy-Authenticate:",
    b"Basic",
    b",",
    b'"',
)

_MOST = 64 * 1024
"""What a socket takes before anybody reads."""
_OPENED = re.compile(
    rb"(?:HTTP/1\.[0-9] 1[0-9]{2}(?=[ \r\n]).*?\r?\n\r?\n)*HTTP/1\.[0-9] 2[0-9]{2}[ \r\n]", re.DOTALL
)


def check(data: bytes) -> None:
    """Hand the proxy's octets to `reach`, all at once, and close."""
    data = data[:_MOST]
    route = Proxy("127.0.0.1", 3128, "service.proxy", "give it another", "ann", lambda: CANARY)
    ours, theirs = socket.socketpair()
    with theirs, patch.object(module, "dial", lambda *_: ours):
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        try:
            wire = reach("pop.acme.example", 995, route, [], lambda: 10.0)
        except ProxyFault as fault:
            assert ours.fileno() == -1
            for text in (str(fault), fault.remedy):
                assert text.isprintable()
                assert len(text) < 500
                assert CANARY not in text
            return
        with wire:
            behind = b""
            while octets := wire.recv(_MOST):
                behind += octets
    head = data[: len(data) - len(behind)]
    assert data.endswith(behind)
    assert len(head) <= 16 * 1024
    assert head.endswith((b"\r\n\r\n", b"\n\n", b"\n\r\n"))
    assert _OPENED.match(head)
