"""Servers that are not to be trusted, and those that are no TLS servers at all."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hostile.case import QUICK, Case, Door
from support.skipping import skip_or_fail

HOST = "localhost"
UNTRUSTED, UNREACHABLE, LATE, LOST = (
    "server-untrusted",
    "server-unreachable",
    "deadline-exceeded",
    "connection-lost",
)
PATIENCE = 20.0
"""Seconds after which a server gives up: only a broken test lets it wait so long."""
_DAY = timedelta(days=1)
_GREETING = b"+OK ready\r\n"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def _door(serve: Callable[[socket.socket], None]) -> AbstractContextManager[int]:
    """A listener on loopback; each connection is served in a thread that ends with the door."""

    @contextmanager
    def opened() -> Iterator[int]:
        listener = socket.create_server((HOST, 0))
        threads = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threads.append(threading.Thread(target=answer, args=listener.accept()[:1]))
                    threads[-1].start()

        def answer(wire: socket.socket) -> None:
            wire.settimeout(PATIENCE)
            with wire, contextlib.suppress(OSError):
                serve(wire)

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            acceptor.join(PATIENCE)
            for thread in threads:
                thread.join(PATIENCE)

    return opened()


def _until_it_goes(wire: socket.socket) -> None:
    while wire.recv(65_536):
        pass


def _saying(*pieces: bytes) -> Door:
    """No TLS, but these octets as soon as the client has spoken."""

    def serve(wire: socket.socket) -> None:
        wire.recv(65_536)
        for piece in pieces:
            wire.sendall(piece)
        _until_it_goes(wire)

    return lambda _authority: _door(serve)


def _dripping(octets: bytes, pause: float) -> Door:
    def serve(wire: socket.socket) -> None:
        for octet in itertools.chain(octets, itertools.repeat(0)):
            wire.sendall(bytes((octet,)))
            time.sleep(pause)

    return lambda _authority: _door(serve)


def _with(make: Callable[[trustme.CA], ssl.SSLContext], said: bytes = _GREETING) -> Door:
    """TLS by this context, and then a greeting, after which the connection breaks off without notice."""

    def door(authority: trustme.CA) -> AbstractContextManager[int]:
        context = make(authority)

        def serve(wire: socket.socket) -> None:
            with context.wrap_socket(wire, server_side=True) as tls:
                tls.sendall(said)
                tls.recv(1)

        return _door(serve)

    return door


def _context() -> ssl.SSLContext:
    """A server's, which takes any key, however weak."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def _issued(*names: str, **facts: object) -> Callable[[trustme.CA], ssl.SSLContext]:
    """With a certificate by the authority we trust."""

    def make(authority: trustme.CA) -> ssl.SSLContext:
        context = _context()
        authority.issue_cert(*names, **facts).configure_cert(context)  # type: ignore[arg-type]
        return context

    return make


def _from_elsewhere(_authority: trustme.CA) -> ssl.SSLContext:
    return _issued(HOST)(trustme.CA())


def _signed(
    key: Callable[[], Key], *, by_itself: bool = False, purpose: x509.ObjectIdentifier | None = None
) -> Callable[[trustme.CA], ssl.SSLContext]:
    """With a certificate that trustme would not make."""

    def make(authority: trustme.CA) -> ssl.SSLContext:
        own = key()
        issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes()).subject
        signer = load_pem_private_key(authority.private_key_pem.bytes(), None)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if by_itself else issuer)
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        )
        if purpose is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
        certificate = builder.sign(own if by_itself else signer, hashes.SHA256())  # type: ignore[arg-type]
        return _loaded(certificate, own)

    return make


def _by_sha1(authority: trustme.CA) -> ssl.SSLContext:
    """By OpenSSL's own program: no library signs with SHA-1 any more."""
    if shutil.which("openssl") is None:
        skip_or_fail("openssl is not installed (apt-get install openssl)")
    context = _context()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "ca.pem").write_bytes(authority.cert_pem.bytes())
        (place / "ca.key").write_bytes(authority.private_key_pem.bytes())
        (place / "names").write_text(f"subjectAltName=DNS:{HOST}\n")
        for line in (
            f"req -new -newkey rsa:2048 -nodes -keyout server.key -out request -subj /CN={HOST}",
            "x509 -req -sha1 -in request -CA ca.pem -CAkey ca.key -set_serial 1 -extfile names -out server.pem",
        ):
            subprocess.run(["openssl", *line.split()], cwd=place, check=True, capture_output=True)  # noqa: S607
        context.load_cert_chain(place / "server.pem", place / "server.key")
    return context


def _loaded(certificate: x509.Certificate, key: Key) -> ssl.SSLContext:
    context = _context()
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "server.pem"
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context.load_cert_chain(pem)
    return context


def _rsa(bits: int) -> Callable[[], Key]:
    return lambda: rsa.generate_private_key(65_537, bits)


def _elliptic() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def _old_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = _issued(HOST)(authority)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def _asking_for_ours(authority: trustme.CA) -> ssl.SSLContext:
    context = _issued(HOST)(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    return context


def _tickets(authority: trustme.CA) -> ssl.SSLContext:
    context = _issued(HOST)(authority)
    context.num_tickets = 200_000
    return context


def _long_chain(authority: trustme.CA) -> ssl.SSLContext:
    """Some 400 certificates, of which one would do."""
    context = _context()
    leaf = authority.issue_cert(HOST)
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "server.pem"
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        pem.write_bytes(leaf.private_key_pem.bytes() + chain + authority.cert_pem.bytes() * 400)
        context.load_cert_chain(pem)
    return context


def _untrusted(
    name: str, make: Callable[[trustme.CA], ssl.SSLContext], says: str, *, always: bool = False
) -> Case:
    return Case(f"has a certificate {name}", (UNTRUSTED,), says=says, door=_with(make), always=always)


_NOW = datetime.now(UTC)

_CERTIFICATES = (
    _untrusted(
        "that has expired",
        _issued(HOST, not_before=_NOW - 9 * _DAY, not_after=_NOW - _DAY),
        "expired",
        always=True,
    ),
    _untrusted(
        "that is not valid yet", _issued(HOST, not_before=_NOW + _DAY, not_after=_NOW + 9 * _DAY), "clock"
    ),
    _untrusted("for another host", _issued("pop.other.example"), "set `host`", always=True),
    _untrusted("for an address of another host", _issued("192.0.2.1"), "set `host`"),
    _untrusted("of another authority", _from_elsewhere, "ca_file"),
    _untrusted("signed by itself", _signed(_elliptic, by_itself=True), "ca_file", always=True),
    _untrusted("with an RSA key of 1,024 bits", _signed(_rsa(1024)), "the server needs a new one"),
    _untrusted("signed with SHA-1", _by_sha1, "the server needs a new one"),
    _untrusted("for clients alone", _signed(_elliptic, purpose=ExtendedKeyUsageOID.CLIENT_AUTH), "purpose"),
)

_TLS = (
    Case(
        "speaks plaintext on the port for TLS",
        (UNREACHABLE,),
        says="no TLS on this port",
        door=_saying(_GREETING),
        always=True,
    ),
    Case(
        "speaks HTTP on the port for TLS",
        (UNREACHABLE,),
        says="no TLS on this port",
        door=_saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    ),
    Case("answers TLS with noise", (UNREACHABLE,), door=_saying(os.urandom(100_000))),
    Case("answers TLS with an alert", (UNREACHABLE,), door=_saying(b"\x15\x03\x03\x00\x02\x02\x28")),
    Case(
        "falls silent in the handshake",
        (LATE,),
        door=_saying(b"\x16\x03\x03\x40\x00"),
        deadlines=QUICK,
        within=QUICK.tls,
    ),
    Case(
        "sends an octet in 0.3 s in the handshake",
        (LATE,),
        door=_dripping(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", 0.3),
        deadlines=QUICK,
        within=QUICK.tls,
        full=True,
    ),
    Case(
        "speaks TLS 1.1 at most",
        (UNREACHABLE,),
        says="older than 1.2",
        door=_with(_old_tls),
    ),
    Case("closes without TLS's notice after the greeting", (LOST,), door=_with(_issued(HOST))),
    Case("asks for a certificate of ours", (LOST, UNREACHABLE), door=_with(_asking_for_ours)),
    Case("sends 400 certificates", (UNREACHABLE, UNTRUSTED), door=_with(_long_chain)),
    Case(
        "sends 200,000 session tickets",
        (LOST, LATE),
        door=_with(_tickets),
        deadlines=QUICK,
        within=QUICK.tls + QUICK.greeting,
    ),
)

CASES = (*_CERTIFICATES, *_TLS)
