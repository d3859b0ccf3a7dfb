"""One POP3 session as Exchange Online conducts it, from the greeting to QUIT.

Owns the session's states and Exchange's wording, as far as public transcripts show them. Must never decide
who may open a mailbox.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from mailsluice_sandbox import sasl
from mailsluice_sandbox.connection import Connection, LineTooLong
from mailsluice_sandbox.directory import Directory
from mailsluice_sandbox.faults import Faults, Hangup, Pretend, Refuse, Relist
from mailsluice_sandbox.mailbox import NotConnected, SandboxMailbox
from mailsluice_sandbox.transaction import Transaction

FRONT_END = "AM0PR01CA0099.eurprd01.prod.sandbox.example"
"""The server's name in the brackets of the greeting."""
MAX_COMMAND = 512
"""Exchange's MaxCommandSize, in octets, with the line end."""
_MAX_CREDENTIAL = 65_536
_GREETING = b"+OK The Microsoft Exchange POP3 service is ready. [%b]\r\n" % base64.b64encode(
    FRONT_END.encode("utf-16-le")
)
_OK = b"+OK\r\n"
_CONTINUE = b"+ \r\n"
_GOODBYE = b"+OK Microsoft Exchange Server POP3 server signing off.\r\n"
_TOO_LONG = b"-ERR Protocol error. Connection is closed. 10\r\n"
_UNKNOWN = b"-ERR Protocol error. 19\r\n"
_WRONG_STATE = b"-ERR Command is not valid in this state.\r\n"
_AUTHENTICATED = b"+OK User successfully authenticated.\r\n"
_TOKEN_REFUSED = b"-ERR Authentication failure: unknown user name or bad password.\r\n"
_PASSWORD_REFUSED = b"-ERR Logon failure: unknown user name or bad password.\r\n"
_CHALLENGE = json.dumps({"status": "401", "schemes": "bearer", "scope": "https://outlook.office365.com/"})

_Handler = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How other servers differ from Exchange Online. Exchange Online does neither of these."""

    pipelining: bool = False
    """Advertise PIPELINING (RFC 2449 §6.6)."""
    error_challenge: bool = False
    """Explain a refused token in a JSON challenge. Refuse it only after the client's empty answer."""


class Dialogue:
    """A session on a connection. `run` returns when it is over. It raises OSError if the client left."""

    def __init__(
        self, connection: Connection, directory: Directory, faults: Faults, dialect: Dialect
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._faults = faults
        self._dialect = dialect
        self._transaction: Transaction | None = None
        self._not_connected: NotConnected | None = None
        self._user = ""
        self._next_line: Callable[[bytes], None] | None = None
        """Takes the next line if it is no command: the second line of AUTH."""

    def run(self) -> None:
        """Greet, then answer each line, also lines that were sent ahead."""
        self._answer("GREETING", lambda: _GREETING)
        try:
            while (line := self._connection.readline(self._limit())) is not None:
                take, self._next_line = self._next_line or self._command, None
                take(line)
        except LineTooLong:
            self._break_off()

    def _break_off(self) -> NoReturn:
        self._connection.send(_TOO_LONG)
        self._connection.hang_up(Hangup.NOTIFY)

    def _limit(self) -> int:
        return _MAX_CREDENTIAL if self._next_line else MAX_COMMAND

    def _command(self, line: bytes) -> None:
        verb, _, argument = line.decode("latin-1").partition(" ")
        verb = verb.upper()
        if self._transaction:
            self._transaction.record.commands.append(line.decode("latin-1"))
        handler = self._handlers().get(verb)
        if self._not_connected and not handler:
            self._explain(self._not_connected)
        elif verb == "PASS" and handler:
            self._answer("LOGIN", lambda: handler(argument), mailbox=self._user)
        elif handler:
            self._answer(
                verb, lambda: handler(argument), mailbox=self._address(), uidl=self._uidl(verb, argument)
            )
        else:
            self._connection.send(_WRONG_STATE if verb in _VERBS else _UNKNOWN)
        if verb == "QUIT":
            self._connection.hang_up(Hangup.NOTIFY)

    def _explain(self, what: NotConnected) -> None:
        if what is NotConnected.HANGS_UP:
            self._connection.hang_up(Hangup.NOTIFY)
        self._connection.send(f"-ERR {what.value}\r\n".encode())

    def _answer(
        self, when: str, handle: Callable[[], bytes], *, mailbox: str | None = None, uidl: bytes | None = None
    ) -> None:
        armed = self._faults.take(when, mailbox, uidl)
        if armed and self._connection.forestall(armed):
            return
        match armed.fault.do if armed else None:
            case Refuse(text=text):
                answer = f"-ERR {text}\r\n".encode()
            case Pretend():
                answer = _OK
            case _:
                answer = handle()
        self._connection.send(answer, armed)

    def _handlers(self) -> dict[str, _Handler]:
        """The commands that the session's state allows (RFC 1939 §4, §5)."""
        common: dict[str, _Handler] = {"CAPA": self._capa, "QUIT": self._quit}
        if self._not_connected:
            return common
        if self._transaction is None:
            return common | {"AUTH": self._auth, "USER": self._take_user, "PASS": self._pass}
        transaction = self._transaction
        return common | {
            "STAT": transaction.stat,
            "LIST": transaction.list,
            "UIDL": transaction.uidl,
            "RETR": transaction.retr,
            "TOP": transaction.top,
            "DELE": transaction.dele,
            "RSET": transaction.rset,
            "NOOP": transaction.noop,
        }

    def _address(self) -> str | None:
        return self._transaction.mailbox.address if self._transaction else None

    def _uidl(self, verb: str, argument: str) -> bytes | None:
        if self._transaction is None or verb not in {"RETR", "TOP", "DELE"}:
            return None
        entry = self._transaction.entry(argument.partition(" ")[0])
        return entry.uidl if entry else None

    def _capa(self, _argument: str) -> bytes:
        extra = (b"PIPELINING",) if self._dialect.pipelining else ()
        return b"".join(b"%b\r\n" % line for line in (b"+OK", *_CAPABILITIES, *extra, b"."))

    def _quit(self, _argument: str) -> bytes:
        if self._transaction:
            self._transaction.update()
        return _GOODBYE

    def _auth(self, argument: str) -> bytes:
        """AUTH (RFC 5034), in two lines only: Exchange closes the connection at an initial response."""
        mechanism, _, initial = argument.upper().partition(" ")
        if initial:
            self._break_off()
        match mechanism:
            case "XOAUTH2":
                self._next_line = self._take_token
            case "PLAIN":
                self._next_line = self._take_plain
            case _:
                return b"-ERR Unrecognized authentication type.\r\n"
        return _CONTINUE

    def _take_token(self, line: bytes) -> None:
        address, token = sasl.xoauth2(line) or ("", "")
        self._answer("LOGIN", lambda: self._token_login(address, token), mailbox=address.lower())

    def _token_login(self, address: str, token: str) -> bytes:
        admission = self._directory.admit(address, token)
        if admission and admission.not_connected:
            self._not_connected = admission.not_connected
            return _AUTHENTICATED
        if admission:
            return self._enter(admission.mailbox, _AUTHENTICATED)
        if not self._dialect.error_challenge:
            return _TOKEN_REFUSED
        self._next_line = lambda _empty: self._connection.send(_TOKEN_REFUSED)
        return b"+ %b\r\n" % base64.b64encode(_CHALLENGE.encode())

    def _take_plain(self, line: bytes) -> None:
        address, password = sasl.plain(line) or ("", "")
        self._answer("LOGIN", lambda: self._password_login(address, password), mailbox=address.lower())

    def _take_user(self, argument: str) -> bytes:
        self._user = argument.lower()
        return _OK

    def _pass(self, argument: str) -> bytes:
        return self._password_login(self._user, argument)

    def _password_login(self, address: str, password: str) -> bytes:
        mailbox = self._directory.open_by_password(address, password)
        return self._enter(mailbox, b"+OK User successfully logged on.\r\n") if mailbox else _PASSWORD_REFUSED

    def _enter(self, mailbox: SandboxMailbox, welcome: bytes) -> bytes:
        armed = self._faults.take("LISTING", mailbox.address)
        relist = armed.fault.do if armed else None
        entries, record = mailbox.open(relist if isinstance(relist, Relist) else None)
        self._transaction = Transaction(mailbox, entries, record)
        return welcome


_CAPABILITIES = (b"TOP", b"UIDL", b"SASL PLAIN XOAUTH2", b"USER")
_VERBS = frozenset(
    {
        "AUTH",
        "CAPA",
        "DELE",
        "LIST",
        "NOOP",
        "PASS",
        "QUIT",
        "RETR",
        "RSET",
        "STAT",
        "STLS",
        "TOP",
        "UIDL",
        "USER",
    }
)
