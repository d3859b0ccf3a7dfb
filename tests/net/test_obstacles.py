"""What an error says about the way to a server; the errors of real handshakes are in `test_connection`."""

from __future__ import annotations

import errno
import os
import socket
import ssl

import pytest

from mailsluice.errors import Obstacle
from mailsluice.net.obstacles import to_connect, to_secure
from mailsluice.net.proxy import ProxyFault


def of_system(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize(
    ("error", "obstacle"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), Obstacle.NAME),
        (socket.gaierror(socket.EAI_NODATA, "No address associated with hostname"), Obstacle.NAME),
        (UnicodeError("label too long"), Obstacle.NAME),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), Obstacle.RESOLVER),
        (socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure"), Obstacle.RESOLVER),
        (of_system(errno.ECONNREFUSED), Obstacle.REFUSED),
        (TimeoutError(), Obstacle.DROPPED),
        (of_system(errno.ETIMEDOUT), Obstacle.DROPPED),
        (of_system(errno.ENETUNREACH), Obstacle.NO_ROUTE),
        (of_system(errno.EHOSTUNREACH), Obstacle.NO_ROUTE),
        (of_system(errno.EPERM), Obstacle.NO_ROUTE),
        (of_system(errno.EACCES), Obstacle.NO_ROUTE),
        (ProxyFault("no", remedy=""), Obstacle.PROXY),
        (of_system(errno.EMFILE), None),
    ],
    ids=repr,
)
def test_an_error_without_a_connection(error: OSError | UnicodeError, obstacle: Obstacle | None) -> None:
    assert to_connect(error) is obstacle


@pytest.mark.parametrize(
    ("code", "obstacle"),
    [
        (9, Obstacle.NOT_YET_VALID),
        (10, Obstacle.EXPIRED),
        (18, Obstacle.UNTRUSTED),
        (19, Obstacle.UNTRUSTED),
        (20, Obstacle.UNTRUSTED),
        (62, Obstacle.OTHER_NAME),
        (64, Obstacle.OTHER_NAME),
        (66, Obstacle.WEAK),
        (67, Obstacle.WEAK),
        (68, Obstacle.WEAK),
    ],
)
def test_a_certificate_that_is_not_accepted(code: int, obstacle: Obstacle) -> None:
    error = ssl.SSLCertVerificationError(1, "no")
    error.verify_code = code
    assert to_secure(error) is obstacle


@pytest.mark.parametrize(
    ("error", "obstacle"),
    [
        (TimeoutError(), Obstacle.SILENT),
        (of_system(errno.ECONNRESET), Obstacle.HANDSHAKE),
        (ssl.SSLError(1, "no"), Obstacle.HANDSHAKE),
    ],
    ids=repr,
)
def test_a_handshake_that_ends(error: OSError, obstacle: Obstacle) -> None:
    assert to_secure(error) is obstacle
