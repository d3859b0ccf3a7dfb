"""The sandbox's own certificate authority, and a server certificate for loopback.

Owns the certificates of one sandbox. Clients verify its servers exactly as they verify real ones, with the CA
in `ca_file`. Must never put a private key into a file that is still there after the call.
"""

from __future__ import annotations

import ssl
import warnings
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import trustme

MIDDLEBOX = "Acme TLS Inspection CA"
"""The issuer of the certificates that a middlebox makes."""
_PAST = datetime(2021, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC)


class Tls(Enum):
    """What a client meets when it asks a host for TLS."""

    USUAL = "TLS 1.2 or later, as Exchange Online has it, and a certificate by the sandbox's authority"
    INTERCEPTED = "a middlebox, with a certificate by an authority of its own"
    OLD = "TLS 1.1 at most"
    EXPIRED = "a certificate that has ended"


class Certificates:
    """A CA for one sandbox. `ca_file` has its certificate for clients, as PEM.

    `middlebox_ca_file` has that of the middlebox's CA.
    """

    def __init__(self, directory: Path) -> None:
        self._authority = trustme.CA(organization_name="mailsluice sandbox")
        self._middlebox = trustme.CA(organization_name=MIDDLEBOX)
        self.ca_file = directory / "ca.pem"
        self.middlebox_ca_file = directory / "middlebox.pem"
        self._authority.cert_pem.write_to_path(self.ca_file)
        self._middlebox.cert_pem.write_to_path(self.middlebox_ca_file)

    def server_context(self, tls: Tls = Tls.USUAL) -> ssl.SSLContext:
        """A TLS context for a server on localhost."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls is Tls.OLD:
            _age(context)
        begin, end = _PAST if tls is Tls.EXPIRED else (None, None)
        authority = self._middlebox if tls is Tls.INTERCEPTED else self._authority
        authority.issue_cert("localhost", "127.0.0.1", not_before=begin, not_after=end).configure_cert(
            context
        )
        return context


def _age(context: ssl.SSLContext) -> None:
    # OpenSSL has TLS 1.1 only at security level 0, and Python warns against it: here it is what is wanted.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
