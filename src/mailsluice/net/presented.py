"""The certificate that a server presented, and that was not accepted: who intercepts, or what has expired.

Owns the only handshake of the program that verifies nothing. This is no hole: none of our data goes over
that connection, nothing is read from it, and it is closed as soon as the certificate is there. What the
certificate says is the word of whoever answered, and it is only shown to a person. Must never be used but to
explain ServerUntrusted, and must never return a connection.

Whoever imports this imports cryptography. So it is imported when there is something to explain.
"""

from __future__ import annotations

import ssl
import threading
import warnings
from collections.abc import Iterable

from cryptography import x509
from cryptography.x509.oid import NameOID

from mailsluice.clock import Clock
from mailsluice.errors import SecretError
from mailsluice.net.certificate import Certificate, shown, spelled
from mailsluice.net.deadlines import Deadline
from mailsluice.net.endpoint import Endpoint
from mailsluice.net.proxy import first_stop, reach

DEADLINE = 10.0
"""Seconds for all of it, but for the resolver's own time."""

_UNREADABLE = (
    ValueError,
    TypeError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_reading = threading.Lock()


def presented(endpoint: Endpoint, clock: Clock, deadline: float = DEADLINE) -> Certificate | None:
    """The certificate that the endpoint presents now, on its route; None if it cannot be had, or be read."""
    try:
        return _read(_shown(endpoint, Deadline(clock, deadline)))
    except (OSError, ValueError, SecretError):
        return None


def _shown(endpoint: Endpoint, deadline: Deadline) -> bytes:
    """The certificate in DER; empty if there is none. Raises OSError, ValueError, SecretError."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.minimum_version = ssl.TLSVersion.TLSv1_2
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    host, port, route = endpoint.host, endpoint.port, endpoint.route
    plain = reach(host, port, route, first_stop(host, port, route), deadline.left)
    with plain, anybody.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False) as wire:
        wire.settimeout(deadline.left())
        wire.do_handshake()
        return wire.getpeercert(binary_form=True) or b""


def _read(der: bytes) -> Certificate | None:
    """What the certificate says; None if it cannot be read. Whoever made it may mean us ill."""
    # The library would print what it thinks of a strange certificate. The filters are those of all threads.
    with _reading, warnings.catch_warnings(action="ignore"):
        try:
            return _certificate(x509.load_der_x509_certificate(der))
        except _UNREADABLE:
            return None


def _certificate(found: x509.Certificate) -> Certificate:
    return Certificate(
        _name(found.subject),
        _name(found.issuer),
        shown(_names(found)),
        found.not_valid_before_utc,
        found.not_valid_after_utc,
    )


def _name(name: x509.Name) -> str:
    kinds = {"commonName": NameOID.COMMON_NAME, "organizationName": NameOID.ORGANIZATION_NAME}
    found = {key: name.get_attributes_for_oid(oid) for key, oid in kinds.items()}
    return spelled({key: str(attributes[-1].value) for key, attributes in found.items() if attributes})


def _names(certificate: x509.Certificate) -> Iterable[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (str(name.value) for name in names if isinstance(name, x509.DNSName | x509.IPAddress))
