"""The sandbox's own certificate authority, and a server certificate for loopback.

Owns the certificates of one sandbox. Clients verify its servers exactly as they verify real ones, with the CA
in `ca_file`. Must never put a private key into a file that is still there after the call.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


class Certificates:
    """A CA for one sandbox. `ca_file` has its certificate for clients, as PEM."""

    def __init__(self, directory: Path) -> None:
        self._authority = trustme.CA(organization_name="mailsluice sandbox")
        self.ca_file = directory / "ca.pem"
        self._authority.cert_pem.write_to_path(self.ca_file)

    def server_context(self) -> ssl.SSLContext:
        """A TLS context for a server on localhost, with TLS 1.2 or later, as Exchange Online has it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        return context
