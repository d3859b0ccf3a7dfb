"""Exchange Online's SMTP submission, as far as the login: EHLO, STARTTLS, AUTH XOAUTH2, NOOP and QUIT.

Owns the wording, as far as public transcripts show it. Must never decide who may log in, or take mail.
"""

from __future__ import annotations

import ssl
from email.utils import format_datetime
from typing import Any

from mailsluice.clock import Clock
from mailsluice_sandbox import sasl
from mailsluice_sandbox.connection import Connection, LineTooLong
from mailsluice_sandbox.dialogue import FRONT_END
from mailsluice_sandbox.directory import Directory
from mailsluice_sandbox.faults import Faults, Hangup
from mailsluice_sandbox.server import Server
from mailsluice_sandbox.tokens import SMTP

_MAX_LINE = 65_536
_EXTENSIONS = (
    "SIZE 157286400",
    "PIPELINING",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "{}",
    "8BITMIME",
    "BINARYMIME",
    "CHUNKING",
    "SMTPUTF8",
)
_SWITCHED_OFF = (
    "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit "
    "https://aka.ms/smtp_auth_disabled for more information."
)


class SmtpServer(Server):
    """SMTP with STARTTLS, for the mailboxes of a directory."""

    def __init__(self, context: ssl.SSLContext, faults: Faults, directory: Directory, clock: Clock) -> None:
        self.directory = directory
        self.clock = clock
        super().__init__(context, faults, "SMTP_CONNECT")

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  socketserver's
        """Conduct one session."""
        _Dialogue(self, request).run()


class _Dialogue:
    """A session on a connection. `run` returns when it is over. It raises OSError if the client left."""

    def __init__(self, server: SmtpServer, plain: Any) -> None:
        self._server = server
        self._plain = plain
        self._connection = Connection(plain)
        self._is_secure = False

    def run(self) -> None:
        ready = format_datetime(self._server.clock.now())
        self._say(f"220 {FRONT_END} Microsoft ESMTP MAIL Service ready at {ready}")
        try:
            while (line := self._line()) is not None:
                verb, _, argument = line.partition(" ")
                self._command(verb.upper(), argument)
        except LineTooLong:
            self._say("500 5.3.3 Unrecognized command")

    def _command(self, verb: str, argument: str) -> None:
        match verb:
            case "EHLO":
                self._greet()
            case "STARTTLS" if not self._is_secure:
                self._say("220 2.0.0 SMTP server ready")
                # What was sent ahead in plain text is lost with the old connection (RFC 3207 §4.2).
                self._connection = Connection(self._server.secure(self._plain))
                self._is_secure = True
            case "AUTH" if self._is_secure:
                self._authenticate(*argument.partition(" ")[::2])
            case "AUTH":
                self._say(f"504 5.7.4 Unrecognized authentication type {self._place()}")
            case "NOOP":
                self._say("250 2.0.0 OK")
            case "QUIT":
                self._say("221 2.0.0 Service closing transmission channel")
                self._connection.hang_up(Hangup.NOTIFY)
            case _:
                self._say(f"500 5.3.3 Unrecognized command {self._place()}")

    def _greet(self) -> None:
        now = "AUTH LOGIN XOAUTH2" if self._is_secure else "STARTTLS"
        lines = [f"{FRONT_END} Hello [127.0.0.1]", *(each.format(now) for each in _EXTENSIONS)]
        self._say(*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}")

    def _authenticate(self, mechanism: str, credential: str) -> None:
        """AUTH (RFC 4954 §4), with the token on the same line or on the next one."""
        if mechanism.upper() != "XOAUTH2":
            self._say(f"504 5.7.4 Unrecognized authentication type {self._place()}")
            return
        if not credential:
            self._say("334 ")
            credential = self._line() or ""
        address, token = sasl.xoauth2(credential.encode()) or ("", "")
        admission = self._server.directory.admit(address, token, SMTP)
        if admission is None or admission.not_connected:
            self._say(f"535 5.7.3 Authentication unsuccessful {self._place()}")
        elif not admission.mailbox.smtp_enabled:
            self._say(f"{_SWITCHED_OFF} {self._place()}")
        else:
            self._say("235 2.7.0 Authentication successful")

    def _place(self) -> str:
        return f"[{FRONT_END} {self._server.clock.now():%Y-%m-%dT%H:%M:%S.000Z}]"

    def _line(self) -> str | None:
        line = self._connection.readline(_MAX_LINE)
        return None if line is None else line.decode("latin-1")

    def _say(self, *lines: str) -> None:
        self._connection.send("".join(f"{line}\r\n" for line in lines).encode())
