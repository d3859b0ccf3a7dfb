"""What an application may prove itself with: keys, certificates, and assertions of another provider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from mailsluice_sandbox.assertions import EXCHANGE

PASSWORD = "canary-password"
ISSUER, SUBJECT = "https://issuer.example/cluster", "system:serviceaccount:mail:sluice"


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """One of a few keys: making one takes a while."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def encryption(password: str | None) -> KeySerializationEncryption:
    return NoEncryption() if password is None else BestAvailableEncryption(password.encode())


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    key: Any
    certificate: x509.Certificate

    @property
    def public_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self, password: str | None = None, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
        pem: bytes = self.key.private_bytes(Encoding.PEM, form, encryption(password))
        return pem

    def pem(self, password: str | None = None) -> bytes:
        return self.key_pem(password) + self.public_pem

    def pfx(self, password: str | None = None, chain: Sequence[x509.Certificate] = ()) -> bytes:
        return pkcs12.serialize_key_and_certificates(
            b"acme", self.key, self.certificate, list(chain), encryption(password)
        )


def pair(
    key: Any = None,
    *,
    begin: datetime | None = None,
    end: datetime | None = None,
    name: str = "mailsluice",
) -> Pair:
    """A certificate that signed itself, as most uploaded ones did. It is valid for days around now."""
    key = key or rsa_key()
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin or now - timedelta(days=1))
        .not_valid_after(end or now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    return Pair(key, certificate)


def assertion(end: datetime, *, key: rsa.RSAPrivateKey | None = None, **claims: object) -> str:
    """A token of another provider, as Kubernetes projects it."""
    payload: dict[str, Any] = {
        "iss": ISSUER,
        "sub": SUBJECT,
        "aud": [EXCHANGE],
        "iat": int((end - timedelta(hours=1)).timestamp()),
        "exp": int(end.timestamp()),
        **claims,
    }
    return jwt.encode(payload, key or rsa_key(1), algorithm="RS256")


def written(path: Path, octets: bytes | str, mode: int = 0o600) -> Path:
    """The file, with this content and mode."""
    path.touch(mode=0o600)
    path.write_bytes(octets.encode() if isinstance(octets, str) else octets)
    path.chmod(mode)
    return path
