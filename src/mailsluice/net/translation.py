"""The translation: what the failure of a connection means for an administrator.

Owns the words for errors of the system, of TLS and of a proxy. What to do about them the diagnosis says: only
a proxy, and a shortage of the system, have remedies of their own. Pure. Must never decide when a connection
has failed.
"""

from __future__ import annotations

import ssl

from mailsluice.errors import (
    ConnectionLost,
    Phase,
    ServerBarred,
    ServerError,
    ServerUnreachable,
    ServerUntrusted,
    system_remedy,
)
from mailsluice.net import obstacles
from mailsluice.net.endpoint import Endpoint
from mailsluice.net.proxy import Direct, ProxyFault


def translated(error: OSError | UnicodeError, endpoint: Endpoint, phase: Phase) -> ServerError:
    """Our error for this one, which ended the connection to `endpoint` in this phase."""
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or "no answer"
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error, endpoint, phase)
    if phase is Phase.CONNECT:
        return _no_connection(error, endpoint, reason)
    if phase is Phase.TLS and isinstance(error, OSError):
        return _no_handshake(error, endpoint, reason)
    return ConnectionLost(f"lost {endpoint} in phase {phase.value}: {reason}", phase=phase)


def _untrusted(error: ssl.SSLCertVerificationError, endpoint: Endpoint, phase: Phase) -> ServerUntrusted:
    obstacle = obstacles.to_secure(error)
    return ServerUntrusted(
        f"the certificate of {endpoint} was not accepted: {error.verify_message}",
        phase=phase,
        obstacle=obstacle,
    )


def _no_connection(
    error: OSError | UnicodeError, endpoint: Endpoint, reason: str
) -> ServerUnreachable | ServerBarred:
    where = f"cannot connect to {endpoint.host}:{endpoint.port}"
    obstacle = obstacles.to_connect(error)
    if isinstance(error, ProxyFault):
        kind = ServerBarred if error.refused else ServerUnreachable
        return kind(f"{where}: {error}", phase=Phase.CONNECT, remedy=error.remedy, obstacle=obstacle)
    hint = endpoint.route.hint if isinstance(endpoint.route, Direct) else ""
    return ServerUnreachable(
        f"{where}: {reason}", phase=Phase.CONNECT, remedy=system_remedy(error, hint), obstacle=obstacle
    )


def _no_handshake(error: OSError, endpoint: Endpoint, reason: str) -> ServerUnreachable:
    obstacle = obstacles.to_secure(error)
    return ServerUnreachable(
        f"{endpoint} broke off the TLS handshake: {reason}",
        phase=Phase.TLS,
        obstacle=obstacle,
    )
