"""The certificate by which an application proves who it is, and its private key.

Owns the forms in which they are kept (PEM, and PFX: RFC 7292), and what is wrong with one that cannot be
used. Must never put a key or a password into an error, and never keep them: a renewed certificate is used at
once.

Whoever imports this imports cryptography. So it is imported when there is a certificate.
"""

from __future__ import annotations

import base64
import binascii
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import jwt  # noqa: F401  msal loads it when it signs, which is in the middle of a poll
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)

from mailsluice import invocation
from mailsluice.auth.secrets import Secrets
from mailsluice.config.types import SecretRef
from mailsluice.errors import SecretError

_FEWEST_BITS = 2048
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----.*?-----END \1-----", re.DOTALL)
_BEGIN = b"-----BEGIN "
_PFX = re.compile(rb"\x30([\x00-\x80]|\x81.|\x82..|\x83...|\x84....)\x02\x01\x03\x30", re.DOTALL)
"""How a PFX begins (RFC 7292 §4): a sequence, and in it the version 3 and another sequence."""
_FAILURES = (ValueError, TypeError, UnsupportedAlgorithm)
"""What cryptography raises about octets that it cannot read."""
_RSA = f"Entra ID takes RSA keys of {_FEWEST_BITS} bits or more"
_MAKE = (
    f"make a new key and certificate with RSA and {_FEWEST_BITS} bits or more, and upload the certificate "
    "to the app registration"
)


class Unusable(ValueError):
    """Why these octets are no certificate with its key, as the rest of a sentence about them.

    `remedy` says what to do. `again`: after that, other octets have to be put in the place of these.
    """

    def __init__(self, what: str, remedy: str = "", *, again: bool = True) -> None:
        super().__init__(what)
        self.remedy = remedy
        self.again = again


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, both in PEM, and from when to when it is valid. The key is not encrypted."""

    key: str = field(repr=False)
    public: str
    begin: datetime
    end: datetime


def certificate_reader(
    ref: SecretRef, password: SecretRef | None, secrets: Secrets
) -> Callable[[], Certificate]:
    """A function that reads the certificate each time it is called, and raises SecretError.

    It does not ask whether the certificate is valid now: `valid` does.
    """
    octets = secrets.octets(ref)
    word = secrets.reader(password) if password else None

    def read() -> Certificate:
        given = word() if word else None
        try:
            return certificate_in(octets(), given)
        except Unusable as exc:
            # Without the cause: a library's error may repeat what it could not read.
            steps = (exc.remedy, _put_again(ref) if exc.again else "")
            raise SecretError(f"{ref}: {exc}", remedy="; then ".join(filter(None, steps))) from None

    return read


def valid(certificate: Certificate, ref: SecretRef, now: datetime) -> Certificate:
    """The same certificate. Raises SecretError if it is not valid at this time."""
    clock = f"this machine's clock says {_moment(now)}"
    if now < certificate.begin:
        raise SecretError(
            f"{ref}: the certificate is valid only from {_moment(certificate.begin)}, and {clock}",
            remedy="set this machine's clock if it is wrong (see timedatectl); else wait, or take another",
        )
    if now > certificate.end:
        raise SecretError(
            f"{ref}: the certificate ended on {_moment(certificate.end)}, and {clock}",
            remedy=f"{_MAKE}; then {_put_again(ref)}",
        )
    return certificate


def certificate_end(octets: bytes, password: str | None) -> datetime:
    """When the certificate in these octets ends, in UTC. Raises Unusable."""
    return certificate_in(octets, password).end


def certificate_in(octets: bytes, password: str | None) -> Certificate:
    """The certificate and the key in these octets: PEM, a PFX, or a PFX in base64. Raises Unusable.

    PEM may have further certificates in any order: the one that fits the key is taken. If several fit, it is
    the one that ends last.
    """
    if not octets.strip():
        raise Unusable("it is empty, where a certificate and its private key have to be")
    if _BEGIN in octets:
        key, certificates = _from_pem(octets, password)
    elif pfx := _pfx_in(octets):
        key, certificates = _from_pfx(pfx, password)
    else:
        raise Unusable("it is neither PEM text nor a PFX file")
    return _pair(_rsa(key), certificates)


def is_pfx(octets: bytes) -> bool:
    """Whether these octets look like a PFX, from their beginning."""
    return bool(_PFX.match(octets))


def _pfx_in(octets: bytes) -> bytes | None:
    """The octets of a PFX, if these are one, whole or not, as they are or in base64."""
    if is_pfx(octets):
        return octets
    solid = b"".join(octets.split())
    try:
        decoded = base64.b64decode(solid[: len(solid) // 4 * 4], validate=True)
    except binascii.Error:
        return None
    return decoded if is_pfx(decoded) else None


def _from_pfx(octets: bytes, password: str | None) -> tuple[Any, list[x509.Certificate]]:
    if _is_cut_off(octets):
        raise _cut_off()
    opened = _opened(octets, None)  # which also tries an empty password
    if opened and password is not None:
        raise _needless()
    if opened is None and password is None:
        raise _locked("it is locked by a password, or damaged")
    opened = opened or _opened(octets, (password or "").encode())
    if opened is None:
        raise _wrong_password()
    leaf, others = opened.cert, opened.additional_certs
    if opened.key is None:
        raise _no_key()
    return opened.key, [each.certificate for each in (*([leaf] if leaf else []), *others)]


def _opened(octets: bytes, password: bytes | None) -> pkcs12.PKCS12KeyAndCertificates | None:
    try:
        return pkcs12.load_pkcs12(octets, password)
    except _FAILURES:
        return None


def _is_cut_off(octets: bytes) -> bool:
    """Whether there are fewer octets than the outermost length says (X.690 §8.1.3)."""
    first = octets[1]
    if first < 0x80:
        return len(octets) < 2 + first
    size = first & 0x7F
    return len(octets) < 2 + size + int.from_bytes(octets[2 : 2 + size], "big")


def _from_pem(octets: bytes, password: str | None) -> tuple[Any, list[x509.Certificate]]:
    blocks = [(match[1], match[0]) for match in _BLOCK.finditer(octets)]
    if len(blocks) != octets.count(_BEGIN):
        raise _cut_off()
    keys = [block for label, block in blocks if label.endswith(b"PRIVATE KEY")]
    certificates = [block for label, block in blocks if label.endswith(b"CERTIFICATE")]
    if not keys:
        raise _no_key() if certificates else Unusable("it has neither a certificate nor a private key")
    if len(keys) > 1:
        raise Unusable(
            f"it has {len(keys)} private keys", "keep the key of the certificate, and take out the others"
        )
    return _key_in_pem(keys[0], password), [_certificate_in_pem(block) for block in certificates]


def _key_in_pem(block: bytes, password: str | None) -> Any:
    try:
        return load_pem_private_key(block, password.encode() if password is not None else None)
    except TypeError:  # as cryptography says that a password is missing, or that there should be none
        raise (
            _locked("its private key is locked by a password") if password is None else _needless()
        ) from None
    except UnsupportedAlgorithm:
        raise Unusable(f"its private key is of a kind that is not known here, and {_RSA}", _MAKE) from None
    except ValueError:
        if password is not None:
            raise _wrong_password() from None
        raise Unusable("its private key is damaged") from None


def _certificate_in_pem(block: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(block)
    except _FAILURES:
        raise Unusable("one of its certificates is damaged") from None


def _rsa(key: Any) -> rsa.RSAPrivateKey:
    if not isinstance(key, rsa.RSAPrivateKey):
        kind = "elliptic curves" if isinstance(key, ec.EllipticCurvePrivateKey) else "another algorithm"
        raise Unusable(f"its private key is one for {kind}, and {_RSA}", _MAKE)
    if key.key_size < _FEWEST_BITS:
        raise Unusable(f"its private key has {key.key_size} bits, and {_RSA}", _MAKE)
    return key


def _pair(key: rsa.RSAPrivateKey, certificates: Sequence[x509.Certificate]) -> Certificate:
    if not certificates:
        raise Unusable(
            "it has a private key, but no certificate", "put the certificate beside its key, both as PEM text"
        )
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    fitting = [each for each in certificates if _public_key(each) == public]
    if not fitting:
        raise Unusable(
            "its private key and its certificate do not belong together",
            "put the certificate and the key that was made with it into one text, both as PEM",
        )
    leaf = max(fitting, key=lambda each: each.not_valid_after_utc)
    return Certificate(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        leaf.public_bytes(Encoding.PEM).decode(),
        leaf.not_valid_before_utc,
        leaf.not_valid_after_utc,
    )


def _public_key(certificate: x509.Certificate) -> bytes:
    """The public key; empty if it is of a kind that is not known here. Then it is not that of our key."""
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except _FAILURES:
        return b""


def _no_key() -> Unusable:
    return Unusable(
        "it has a certificate, but not its private key",
        "put the key beside the certificate, both as PEM text",
    )


def _cut_off() -> Unusable:
    return Unusable("it ends in the middle: it was cut off, or is being written now")


def _locked(what: str) -> Unusable:
    return Unusable(
        f"{what}, and there is no `certificate_password`",
        "set `certificate_password` to the place of that password, such as keyring:NAME",
        again=False,
    )


def _needless() -> Unusable:
    return Unusable(
        "it has no password, but `certificate_password` is set", "remove `certificate_password`", again=False
    )


def _wrong_password() -> Unusable:
    return Unusable(
        "the password of `certificate_password` does not open it, or it is damaged",
        "store the right password where `certificate_password` says, as one line",
        again=False,
    )


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _put_again(ref: SecretRef) -> str:
    """How certificate and key are put in their place."""
    if ref.scheme == "keyring":
        command = invocation.command("secret", "set", ref.name)
        return f"store the certificate and its key (PEM or PFX): `{command} < FILE`"
    place = shlex.quote(ref.name) if ref.scheme == "file" else str(ref)
    return f"put the certificate and its key there (PEM or PFX): {place}"
