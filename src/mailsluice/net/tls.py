"""TLS settings: the same for every server that the program connects to.

Owns the lowest version, what is verified, and whose certificates are trusted. Must never write session keys
to the file that SSLKEYLOGFILE names.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TypeVar

_Settings = TypeVar("_Settings", bound=ssl.SSLContext)


def tls_settings(ca_file: Path | None, kind: type[_Settings]) -> _Settings:
    """TLS 1.2 or later, with certificate and host name verified. Raises OSError if `ca_file` is of no use.

    The trusted authorities are those in `ca_file`, or else the system's. The system's are where OpenSSL looks
    for them, or where SSL_CERT_FILE and SSL_CERT_DIR say. A CA that an administrator adds to the system
    counts for every server.
    """
    # Not `ssl.create_default_context`, and not urllib3's: these obey SSLKEYLOGFILE.
    settings = kind(ssl.PROTOCOL_TLS_CLIENT)  # requires a certificate and checks its name
    settings.minimum_version = ssl.TLSVersion.TLSv1_2
    settings.hostname_checks_common_name = False  # RFC 9525 §2: a name stands in subjectAltName alone
    if ca_file is None:
        settings.load_default_certs()
    else:
        settings.load_verify_locations(ca_file)
    return settings
