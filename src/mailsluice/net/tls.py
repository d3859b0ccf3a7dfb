"""TLS settings: what holds for every server that the program talks to.

Owns the lowest version, what is verified, and whose certificates are trusted. Must never write session keys
to where SSLKEYLOGFILE points.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TypeVar

_Settings = TypeVar("_Settings", bound=ssl.SSLContext)


def tls_settings(ca_file: Path | None, kind: type[_Settings]) -> _Settings:
    """TLS 1.2 or later, certificate and host name verified. Raises OSError where `ca_file` is of no use.

    Trust anchors are `ca_file` alone where given, else the system's: OpenSSL's, whose place SSL_CERT_FILE and
    SSL_CERT_DIR may say. An administrator who adds a CA to the system adds it for every server.
    """
    # Not by `ssl.create_default_context` or urllib3's, which heed SSLKEYLOGFILE.
    settings = kind(ssl.PROTOCOL_TLS_CLIENT)  # requires a certificate and checks its name
    settings.minimum_version = ssl.TLSVersion.TLSv1_2
    settings.hostname_checks_common_name = False  # RFC 9525 §2: a name stands in subjectAltName alone
    if ca_file is None:
        settings.load_default_certs()
    else:
        settings.load_verify_locations(ca_file)
    return settings
