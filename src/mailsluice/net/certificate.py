"""The certificate: what a server's certificate says of itself, and the TLS connection that it was shown in.

Owns these values, and how a verified certificate is read. Must never verify one.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mailsluice.obs.clean import printable

_LONGEST_NAME = 200
_MOST_NAMES = 20


@dataclass(frozen=True, slots=True)
class Certificate:
    """Whose it is, who issued it, and from when to when it is valid. Every text is printable and short.

    `subject` and `issuer` are a common name with the organisation in parentheses, or what there is of it.
    `names` are the first 20 for which it is valid: DNS names and IP addresses.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Tls:
    """The TLS of a connection: its version and cipher as OpenSSL names them, and the server's certificate."""

    version: str
    cipher: str
    certificate: Certificate


def agreed(wire: ssl.SSLSocket) -> Tls:
    """The TLS of this socket, after a handshake that verified the certificate."""
    cipher = wire.cipher()
    return Tls(wire.version() or "", cipher[0] if cipher else "", _verified(wire.getpeercert() or {}))


def spelled(attributes: Mapping[str, str]) -> str:
    """A name of a certificate, by its attributes `commonName` and `organizationName`."""
    common, organisation = (_short(attributes.get(key, "")) for key in ("commonName", "organizationName"))
    return f"{common} ({organisation})" if common and organisation else common or organisation


def shown(names: Iterable[str]) -> tuple[str, ...]:
    """The first names, as they may be shown."""
    return tuple(_short(name) for _, name in zip(range(_MOST_NAMES), names, strict=False))


def _short(text: str) -> str:
    return printable(text[:_LONGEST_NAME])


def _verified(read: Mapping[str, Any]) -> Certificate:
    """The certificate that the TLS library read; see `SSLSocket.getpeercert`."""
    subject, issuer = (
        {key: value for part in read.get(name, ()) for key, value in part} for name in ("subject", "issuer")
    )
    begins, ends = (
        datetime.fromtimestamp(ssl.cert_time_to_seconds(read[name]), UTC)
        for name in ("notBefore", "notAfter")
    )
    names = (name for kind, name in read.get("subjectAltName", ()) if kind in {"DNS", "IP Address"})
    return Certificate(spelled(subject), spelled(issuer), shown(names), begins, ends)
