"""Exchange Online's IMAP, as far as the login: the greeting, CAPABILITY, AUTHENTICATE, NOOP, STATUS, LOGOUT.

Owns the wording, as far as public transcripts show it. Must never decide who may open a mailbox, or give out
mail.
"""

from __future__ import annotations

import base64
import ssl
from typing import Any, NoReturn

from mailsluice_sandbox import sasl
from mailsluice_sandbox.connection import Connection, LineTooLong
from mailsluice_sandbox.dialogue import FRONT_END
from mailsluice_sandbox.directory import Admission, Directory
from mailsluice_sandbox.faults import Faults, Hangup
from mailsluice_sandbox.mailbox import NotConnected
from mailsluice_sandbox.server import TlsServer
from mailsluice_sandbox.tokens import IMAP

_MAX_LINE = 65_536
_TAG = base64.b64encode(FRONT_END.encode("utf-16-le")).decode()
_GREETING = f"* OK The Microsoft Exchange IMAP4 service is ready. [{_TAG}]"
_BEFORE = "AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"
_AFTER = (
    "AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CLIENTACCESSRULES "
    "CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+"
)
_COMPLAINTS = 2
"""How often a session that is not connected says so, before it ends."""


class ImapServer(TlsServer):
    """IMAP over implicit TLS, for the mailboxes of a directory."""

    def __init__(self, context: ssl.SSLContext, faults: Faults, directory: Directory) -> None:
        self._directory = directory
        super().__init__(context, faults, "IMAP_CONNECT")

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  socketserver's
        """Conduct one session."""
        _Dialogue(Connection(request), self._directory).run()


class _Dialogue:
    """A session on a connection. `run` returns when it is over. It raises OSError if the client left."""

    def __init__(self, connection: Connection, directory: Directory) -> None:
        self._connection = connection
        self._directory = directory
        self._admission: Admission | None = None
        self._complaints = 0

    def run(self) -> None:
        self._say(_GREETING)
        try:
            while (line := self._line()) is not None:
                tag, _, rest = line.partition(" ")
                self._command(tag, *rest.partition(" ")[::2])
        except LineTooLong:
            self._end("* BYE Connection is closed. 12")

    def _command(self, tag: str, verb: str, argument: str) -> None:
        match verb.upper():
            case "CAPABILITY":
                has = _AFTER if self._admission else _BEFORE
                self._say(f"* CAPABILITY IMAP4 IMAP4rev1 {has}", f"{tag} OK CAPABILITY completed.")
            case "LOGOUT":
                bye = "* BYE Microsoft Exchange Server IMAP4 server signing off."
                self._end(bye, f"{tag} OK LOGOUT completed.")
            case "AUTHENTICATE" if self._admission is None:
                self._authenticate(tag, argument)
            case _ if self._admission and self._admission.not_connected:
                self._complain(tag, self._admission.not_connected)
            case "NOOP":
                self._say(f"{tag} OK NOOP completed.")
            case "STATUS" if self._admission and argument.upper() == "INBOX (MESSAGES)":
                count = len(self._admission.mailbox.remaining())
                self._say(f"* STATUS INBOX (MESSAGES {count})", f"{tag} OK STATUS completed.")
            case _:
                self._say(f"{tag} BAD Command Error. 12")

    def _authenticate(self, tag: str, argument: str) -> None:
        """AUTHENTICATE (RFC 9051 §6.2.2), with the token on the same line or on the next one."""
        mechanism, _, credential = argument.partition(" ")
        if mechanism.upper() == "XOAUTH2" and not credential:
            self._say("+ ")
            credential = self._line() or ""
        address, token = sasl.xoauth2(credential.encode()) or ("", "")
        if mechanism.upper() == "XOAUTH2":
            self._admission = self._directory.admit(address, token, IMAP)
        self._say(
            f"{tag} OK AUTHENTICATE completed." if self._admission else f"{tag} NO AUTHENTICATE failed."
        )

    def _complain(self, tag: str, what: NotConnected) -> None:
        if what is NotConnected.HANGS_UP:
            self._end()
        self._complaints += 1
        complaint = f"{tag} BAD {what.value}"
        if self._complaints >= _COMPLAINTS:
            self._end(complaint, "* BYE Connection closed. 14")
        self._say(complaint)

    def _line(self) -> str | None:
        line = self._connection.readline(_MAX_LINE)
        return None if line is None else line.decode("latin-1")

    def _say(self, *lines: str) -> None:
        self._connection.send("".join(f"{line}\r\n" for line in lines).encode())

    def _end(self, *lines: str) -> NoReturn:
        self._say(*lines)
        self._connection.hang_up(Hangup.NOTIFY)
