"""A real identity provider on a loopback port, in the shape of Microsoft Entra ID, and the person who signs in.

Owns the server's process, keys and applications, and the hooks of server.mjs. Must never import mailsluice,
so that what it proves is independent of what it tests.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from peers.dovecot import Provider, reserve_port
from peers.tokens import new_key
from support.program import surroundings
from support.waiting import wait_until

INSTALLED = Path(__file__).parents[2] / "build" / "oidc"
SERVER = Path(__file__).parent / "oidc" / "server.mjs"
OLDEST_NODE = 20

TENANT = "8a1f5d0c-3c3e-4f6b-9d59-0c6f0f3f6a01"
SECRET_CLIENT = "5e0c0d5e-0000-4000-8000-000000000001"
CERTIFICATE_CLIENT = "5e0c0d5e-0000-4000-8000-000000000002"
PUBLIC_CLIENT = "5e0c0d5e-0000-4000-8000-000000000003"
SECRET = "canary~client.secret-of_the-tests"
KEY_ID = "oidc-peer"
APP_SCOPE = "https://outlook.office365.com/.default"
PERSON_SCOPE = "https://outlook.office.com/POP.AccessAsUser.All"


class OidcError(Exception):
    """The identity provider did not start, or did not live to the end of the tests."""


def why_missing() -> str | None:
    """Why this machine has no such identity provider; None where it has one."""
    node = shutil.which("node")
    if node is None:
        return "Node.js is not installed; install version 20 or newer, then run tests/peers/install-oidc"
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        return f"node {version} is installed; the identity provider needs {OLDEST_NODE} or newer"
    lock = "package-lock.json"
    installed = INSTALLED / "installed"
    if not installed.exists() or installed.read_bytes() != (SERVER.parent / lock).read_bytes():
        return "the identity provider is not installed, or an old one; run tests/peers/install-oidc"
    return None


@dataclass(frozen=True)
class Asked:
    """A token request: when it came, in seconds since 1970; and what came of it, as far as it was understood."""

    at: float
    grant: str | None = None
    client: str | None = None
    status: int | None = None


class Oidc:
    """A running identity provider. A context manager: entering starts it, leaving stops it.

    Its one tenant has an application for each kind of proof: SECRET_CLIENT, CERTIFICATE_CLIENT, and
    PUBLIC_CLIENT, with which any person may sign in. It is stricter than Entra: a client assertion is taken
    once, and a refresh token that is used again ends its sign-in.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="oidc", dir="/tmp"))
        self._reserved = reserve_port()
        port: int = self._reserved.getsockname()[1]
        self._base = f"https://localhost:{port}"
        self.authority = f"{self._base}/{TENANT}"
        self.issuer = f"{self.authority}/v2.0"
        self.ca_file = self._folder / "ca.pem"
        self.key = new_key()
        self.certificate = _certificate(self.key)
        self._signing_key = new_key()
        tls = self._tls()
        self._given = {
            "port": port,
            "tenant": TENANT,
            "tlsKey": tls.private_key_pem.bytes().decode(),
            "tlsCertificate": "".join(pem.bytes().decode() for pem in tls.cert_chain_pems),
            "signingKey": _pem(self._signing_key),
            "keyId": KEY_ID,
            "secretClient": SECRET_CLIENT,
            "secret": SECRET,
            "certificateClient": CERTIFICATE_CLIENT,
            "certificate": self.certificate_pem,
            "publicClient": PUBLIC_CLIENT,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        dead, log = self._dead(), self.log()
        self._clean_up()
        if dead:
            raise OidcError(f"the identity provider ended before the tests did:\n{log}")

    @property
    def certificate_pem(self) -> str:
        """The certificate that CERTIFICATE_CLIENT has registered."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def other_certificate_pem(self) -> str:
        """A certificate with the same key that nobody has registered."""
        return _certificate(self.key).public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """The private key of that certificate."""
        return _pem(self.key)

    def as_known_to_dovecot(self) -> Provider:
        """What Dovecot must know to take its tokens. They have no `azp`, as those of Entra for Exchange."""
        public = self._signing_key.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return Provider(self.issuer, "default", KEY_ID, pem)

    def start(self) -> None:
        """Start it, on the same port and with the same keys as before. It has forgotten who signed in."""
        # Its end is tied to this process, however that ends.
        command = ["/usr/bin/setpriv", "--pdeathsig", "TERM", "node", str(SERVER), str(INSTALLED)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=surroundings()
            )
        assert self._process.stdin is not None
        with self._process.stdin as stdin:
            stdin.write(json.dumps(self._given).encode())
        wait_until(lambda: self._answers() or self._dead(), "the identity provider answers")
        if self._dead():
            raise OidcError(f"the identity provider did not start:\n{self.log()}")

    def stop(self) -> None:
        """Stop it. Its port answers nobody then."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def log(self) -> str:
        """What it complained of."""
        path = self._folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def requests(self) -> list[Asked]:
        """The token requests since the last `reset`, in their order."""
        return [Asked(**noted) for noted in self._hook("GET", "requests")]

    def statuses(self) -> list[int | None]:
        """How they were answered."""
        return [asked.status for asked in self.requests()]

    def reset(self) -> None:
        """Forget the requests. The next ones are answered as usual."""
        if self._process is None:
            self.start()
        self._change(failures=[], tokenSeconds=3600, deviceSeconds=900, user="user@contoso.test")
        self._hook("POST", "forget", {})

    def fail(self, status: int, *, times: int = 1, retry_after: int | None = None) -> None:
        """Answer the next token requests with this status. `retry_after` is in seconds."""
        self._change(failures=[{"status": status, "retryAfter": retry_after}] * times)

    def live(self, *, tokens: int = 3600, device_codes: int = 900) -> None:
        """What is issued from now on lives so many seconds."""
        self._change(tokenSeconds=tokens, deviceSeconds=device_codes)

    def sit_at_the_browser(self, user: str | None) -> None:
        """Who signs in with the browser from now on, and consents. None says no."""
        self._change(user=user)

    def type_code(self, code: str, user: str | None) -> None:
        """Sign in with a device code, and consent. None says no."""
        self._hook("POST", "device", {"code": code, "user": user})

    def _change(self, **state: object) -> None:
        self._hook("POST", "state", state)

    def _hook(self, method: str, name: str, said: object = None) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            url = f"{self._base}/_test/{name}"
            answer = session.request(method, url, json=said, verify=str(self.ca_file), timeout=10)
        answer.raise_for_status()
        return answer.json()

    def _tls(self) -> trustme.LeafCert:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        return authority.issue_cert("localhost", common_name="localhost")

    def _answers(self) -> bool:
        try:
            self._hook("GET", "requests")
        except requests.ConnectionError:
            return False
        return True

    def _dead(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _clean_up(self) -> None:
        self.stop()
        self._reserved.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _pem(key: RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _certificate(key: RSAPrivateKey) -> x509.Certificate:
    """A certificate that signs itself, as one that an administrator registers in Entra."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mailsluice")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
