"""A real Dovecot on a loopback port, and the mailboxes in it.

Owns the server's temporary directory, process and Maildirs; must never import mailsluice, so that what it
proves is independent of what it tests.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Self

import trustme
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from peers.tokens import ISSUER, TokenIssuer
from support.waiting import wait_until

BINARY = Path("/usr/sbin/dovecot")
LOGIN_BINARIES = Path("/usr/lib/dovecot/pop3-login"), Path("/usr/lib/dovecot/imap-login")
HOST = "localhost"
PASSWORD = "canary-correct-horse-battery-staple"
STOP_SECONDS = 10.0
TEMPLATES = Path(__file__).parent


class DovecotError(Exception):
    """Dovecot did not start, or did not live to the end of the tests."""


def why_missing() -> str | None:
    """Why this machine has no Dovecot to test against; None where it has one."""
    if not all(binary.exists() for binary in (BINARY, *LOGIN_BINARIES)):
        return "Debian's dovecot-pop3d or dovecot-imapd is not installed; tests/peers/install-dovecot does it"
    version = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if not version.startswith("2.3."):
        return f"Dovecot {version} is installed; dovecot.conf.in is written for 2.3"
    return None


@dataclass(frozen=True)
class Provider:
    """Another identity provider: its name in tokens (`iss`), one app there (`azp`), and the key that signs.

    `app` is `default` if its tokens have no `azp`. The tokens name the app as `appid`, too, and have `idtyp`.
    """

    issuer: str
    app: str
    key_id: str
    public_key: bytes


class PeerMailbox:
    """One mailbox, seen from the server's side: what is delivered to it and what is left in it.

    Dovecot sends a file's octets as they are but for two repairs: a LF without CR gets one, and a message
    without CRLF at its end gets one. So a message with CRLF throughout comes back octet for octet, NUL,
    8-bit, bare CR and lines of any length included; it is stored with its CRLF, never turned to LF.
    """

    def __init__(self, address: str, maildir: Path) -> None:
        self.address = address
        self.maildir = maildir
        self._delivered = 0

    def uidls(self) -> list[bytes]:
        """Those of the messages not deleted, in the order of their delivery."""
        return [path.name.partition(":")[0].encode() for path in self._files()]

    def deliver(self, message: bytes) -> bytes:
        """Put a message into the mailbox; it is listed after those before it. Returns its UIDL."""
        self._delivered += 1
        name = f"{self._delivered:010d}.peer"
        arriving = self.maildir / "tmp" / name
        arriving.write_bytes(message)
        arriving.rename(self.maildir / "new" / name)
        return name.encode()

    def deliver_many(self, messages: Iterable[bytes]) -> list[bytes]:
        """Put messages into the mailbox in their order. Returns their UIDLs."""
        return [self.deliver(message) for message in messages]

    def remaining(self) -> list[bytes]:
        """The messages not deleted, in the order of their delivery, as they were delivered.

        Dovecot moves and removes files while a session runs. So a file that is gone
        again before it was read is looked for anew.
        """
        while True:
            with suppress(FileNotFoundError):
                return [path.read_bytes() for path in self._files()]

    def empty(self) -> None:
        """Delete every message. UIDLs are never used again."""
        for path in self._files():
            path.unlink()

    def _files(self) -> list[Path]:
        """The messages' files: Dovecot moves those it has seen from `new` to `cur`, with flags behind the name."""
        found = [path for folder in ("new", "cur") for path in (self.maildir / folder).iterdir()]
        return sorted(found, key=lambda path: path.name)


class Dovecot:
    """A running server. A context manager: entering starts it, leaving stops it and removes its files.

    Started as root it uses Debian's accounts for Dovecot, otherwise the caller's own for everything.
    Several may run at once, each with its own port and directory. Its mailboxes open to the app-only tokens
    of other `providers`, too.
    """

    def __init__(self, *providers: Provider) -> None:
        self._prefix = Path(tempfile.mkdtemp(prefix="dv", dir="/tmp"))  # the path of a socket is < 108 octets
        self._reserved, self._reserved_for_imap = reserve_port(), reserve_port()
        self.host = HOST
        self.port: int = self._reserved.getsockname()[1]
        self.imap_port: int = self._reserved_for_imap.getsockname()[1]
        self.password = PASSWORD
        self.ca_file = self._prefix / "ca.pem"
        self._accounts = _accounts()
        self._tokens = TokenIssuer()
        self._providers = providers
        self._mailboxes: dict[str, PeerMailbox] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._lay_out()
            self._start()
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
            raise DovecotError(f"Dovecot ended before the tests did:\n{log}")

    def mailbox(self, address: str) -> PeerMailbox:
        """The mailbox of this address, made when first asked for; the case of letters is ignored."""
        address = address.lower()
        if address not in self._mailboxes:
            self._mailboxes[address] = PeerMailbox(address, self._make_maildir(address))
        return self._mailboxes[address]

    def token(
        self,
        address: str | None = None,
        *,
        expires_in: int = 3600,
        key: RSAPrivateKey | None = None,
        **claims: object,
    ) -> str:
        """An access token for the mailbox `address`, or an app-only one for all (see TokenIssuer.mint)."""
        return self._tokens.mint(address, expires_in=expires_in, key=key, **claims)

    def reset(self) -> None:
        """Empty every mailbox."""
        for mailbox in self._mailboxes.values():
            mailbox.empty()

    def log(self) -> str:
        """What Dovecot has written to its log."""
        path = self._prefix / "dovecot.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _make_maildir(self, address: str) -> Path:
        """Only its directories belong to the mail account: Dovecot renames and removes in them."""
        home = self._prefix / "mail" / address
        maildir = home / "Maildir"
        for folder in (home, maildir, maildir / "tmp", maildir / "new", maildir / "cur"):
            folder.mkdir()
            os.chown(folder, int(self._accounts["mail_uid"]), int(self._accounts["mail_gid"]))
        return maildir

    def _lay_out(self) -> None:
        """Write all that the server reads."""
        self._prefix.chmod(0o755)
        for name in ("state", "mail"):
            (self._prefix / name).mkdir()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        certificate = authority.issue_cert("localhost", "127.0.0.1", common_name="localhost")
        certificate.private_key_and_cert_chain_pem.write_to_path(str(self._prefix / "tls.pem"))
        self._tokens.publish_key(self._prefix / "keys")
        for provider in self._providers:
            key = self._prefix / "keys" / provider.app / "RS256" / provider.key_id
            key.parent.mkdir(parents=True, exist_ok=True)
            key.write_bytes(provider.public_key)
        issuers = " ".join([ISSUER, *(provider.issuer for provider in self._providers)])
        common = {"prefix": str(self._prefix), "issuers": issuers}
        server = {"port": str(self.port), "imap_port": str(self.imap_port), "password": PASSWORD}
        self._fill_in("dovecot.conf.in", "dovecot.conf", common | server | self._accounts)
        for kind, claim, match in (("app", "appid", "any"), ("user", "upn", "%Lu")):
            words = common | {"kind": kind, "claim": claim, "match": match}
            self._fill_in("oauth2.conf.in", f"oauth2-{kind}.conf.ext", words)

    def _fill_in(self, template: str, name: str, words: Mapping[str, str]) -> None:
        text = Template((TEMPLATES / template).read_text()).substitute(words)
        (self._prefix / name).write_text(text)

    def _start(self) -> None:
        """Start the server and wait for its greeting. It ends with this process, however that ends."""
        end_with_us = ["/usr/bin/setpriv", "--pdeathsig", "TERM"]
        server = [str(BINARY), "-F", "-c", str(self._prefix / "dovecot.conf")]
        # Into the log, never to where this process writes: Dovecot's children would keep that open.
        with (self._prefix / "dovecot.log").open("ab") as log:
            self._process = subprocess.Popen(
                end_with_us + server, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(lambda: self._greets() or self._dead(), "Dovecot greets")
        if self._dead():
            raise DovecotError(f"Dovecot did not start:\n{self.log()}")

    def _greets(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), timeout=2) as raw,
                context.wrap_socket(raw, server_hostname=HOST) as connection,
            ):
                return connection.recv(512).startswith(b"+OK")
        except (ConnectionError, TimeoutError, ssl.SSLEOFError):
            return False

    def _dead(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _clean_up(self) -> None:
        if self._process is not None and not self._dead():
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reserved.close()
        self._reserved_for_imap.close()
        shutil.rmtree(self._prefix, ignore_errors=True)


def reserve_port() -> socket.socket:
    """A free loopback port, kept from every automatic choice while this socket is open.

    Dovecot can listen on it all the same: both set SO_REUSEADDR, and this socket never listens.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def _accounts() -> dict[str, str]:
    """Whom the server's processes run as."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        return {
            "internal_user": "dovecot",
            "internal_group": "dovecot",
            "login_user": "dovenull",
            "login_chroot": "login",
            "mail_uid": str(nobody.pw_uid),
            "mail_gid": str(nobody.pw_gid),
        }
    me = pwd.getpwuid(os.geteuid())
    return {
        "internal_user": me.pw_name,
        "internal_group": grp.getgrgid(me.pw_gid).gr_name,
        "login_user": me.pw_name,
        "login_chroot": "",
        "mail_uid": str(me.pw_uid),
        "mail_gid": str(me.pw_gid),
    }
