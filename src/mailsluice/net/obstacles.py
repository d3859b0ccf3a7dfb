"""The obstacles: what an error of the system, of TLS or of a proxy says about the way to a server.

Owns the table from these errors to `Obstacle`, for mail and for tokens alike. Pure. Must never read the words
of an error: these are for people, and they change.
"""

from __future__ import annotations

import errno
import socket
import ssl

from mailsluice.errors import Obstacle
from mailsluice.net.proxy import ProxyFault

_NO_ROUTE = frozenset(
    {
        *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN),
        *(errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT),
        *(errno.EPERM, errno.EACCES),  # a rule of this machine's own firewall
    }
)

_NO_ADDRESS = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})

_CERTIFICATES = {
    9: Obstacle.NOT_YET_VALID,  # X509_V_ERR_CERT_NOT_YET_VALID
    10: Obstacle.EXPIRED,  # X509_V_ERR_CERT_HAS_EXPIRED
    62: Obstacle.OTHER_NAME,  # X509_V_ERR_HOSTNAME_MISMATCH
    64: Obstacle.OTHER_NAME,  # X509_V_ERR_IP_ADDRESS_MISMATCH
    66: Obstacle.WEAK,  # X509_V_ERR_EE_KEY_TOO_SMALL
    67: Obstacle.WEAK,  # X509_V_ERR_CA_KEY_TOO_SMALL
    68: Obstacle.WEAK,  # X509_V_ERR_CA_MD_TOO_WEAK
}

_HANDSHAKES = {
    "WRONG_VERSION_NUMBER": Obstacle.NO_TLS,
    "PACKET_LENGTH_TOO_LONG": Obstacle.NO_TLS,
    "UNSUPPORTED_PROTOCOL": Obstacle.OLD_TLS,
    "TLSV1_ALERT_PROTOCOL_VERSION": Obstacle.OLD_TLS,
}
"""OpenSSL's names for a handshake with a server that speaks no TLS, and with one whose TLS is too old."""


def to_connect(error: OSError | UnicodeError) -> Obstacle | None:
    """What stood in the way to a connection, whose failure was this; None if this list does not have it."""
    if isinstance(error, ProxyFault):
        return Obstacle.PROXY
    if isinstance(error, UnicodeError):  # IDNA cannot encode the name, so it cannot have an address
        return Obstacle.NAME
    if isinstance(error, socket.gaierror):
        return Obstacle.NAME if error.errno in _NO_ADDRESS else Obstacle.RESOLVER
    if isinstance(error, TimeoutError):
        return Obstacle.DROPPED
    if error.errno == errno.ECONNREFUSED:
        return Obstacle.REFUSED
    return Obstacle.NO_ROUTE if error.errno in _NO_ROUTE else None


def to_secure(error: OSError) -> Obstacle:
    """What stood in the way of TLS, over a connection that there is. `error` ended the handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATES.get(error.verify_code, Obstacle.UNTRUSTED)
    if isinstance(error, TimeoutError):
        return Obstacle.SILENT
    return _HANDSHAKES.get(getattr(error, "reason", None) or "", Obstacle.HANDSHAKE)
