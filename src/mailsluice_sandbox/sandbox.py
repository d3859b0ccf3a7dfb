"""A simulated Entra ID and Exchange Online on loopback, in threads of this process.

Owns the start and the end of the servers. Must never behave better or worse than the real ones, unless
`faults` says so.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from mailsluice.clock import Clock, SystemClock
from mailsluice_sandbox.certificates import Certificates, Tls
from mailsluice_sandbox.dialogue import Dialect
from mailsluice_sandbox.directory import Directory
from mailsluice_sandbox.entra import Entra
from mailsluice_sandbox.faults import Faults
from mailsluice_sandbox.imap import ImapServer
from mailsluice_sandbox.machine import Machine
from mailsluice_sandbox.mailbox import SandboxMailbox
from mailsluice_sandbox.pop3 import Pop3Server
from mailsluice_sandbox.registration import AppRegistration
from mailsluice_sandbox.sign_ins import SignIns
from mailsluice_sandbox.smtp import SmtpServer
from mailsluice_sandbox.tokens import AUDIENCES, Cloud

EXCHANGE_ONLINE = Dialect()


class Sandbox:
    """One tenant with one app and any number of mailboxes. A context manager; it runs as soon as it is made.

        with Sandbox() as sandbox:
            invoices = sandbox.mailbox("invoices@acme.example")
            uidl = invoices.deliver(mail.invoice(1))
            sandbox.faults.add(Fault("RETR", Close(after_octets=1000)))

    Tokens are dated and checked by `clock`. Clients must trust `ca_file`. They get tokens from `authority`
    (msal needs `instance_discovery=False` for it), and find POP3 over TLS at `host` and `pop3_port`. In
    another `cloud`, tokens have another audience, and apps ask for another scope. `mail_tls` is what clients
    meet at the mail host, and `login_tls` at `authority`.

    `app` is what an administrator sets in Entra ID, `exchange.service_principal` what New-ServicePrincipal
    got, and each mailbox has what Set-CASMailbox and Add-MailboxPermission set.
    """

    host = "localhost"

    def __init__(
        self,
        clock: Clock | None = None,
        dialect: Dialect = EXCHANGE_ONLINE,
        cloud: Cloud = "worldwide",
        *,
        mail_tls: Tls = Tls.USUAL,
        login_tls: Tls = Tls.USUAL,
    ) -> None:
        self.faults = Faults()
        self._clock = clock or SystemClock()
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="mailsluice-sandbox-"))
            certificates = Certificates(Path(directory))
            self.ca_file = certificates.ca_file
            self.middlebox_ca_file = certificates.middlebox_ca_file
            login = certificates.server_context(login_tls)
            self.entra = Entra(self._clock, login, self.faults, AUDIENCES[cloud])
            stack.callback(self.entra.close)
            self.sign_ins = SignIns(self.entra, clock or SystemClock())
            self.exchange = Directory(self.entra.tokens, self.app.object_id)
            self._mail_context = certificates.server_context(mail_tls)
            server = Pop3Server(self._mail_context, self.faults, self.exchange, dialect)
            stack.callback(server.close)
            self.pop3_port = server.port
            self._parts = stack.pop_all()

    @functools.cached_property
    def imap_port(self) -> int:
        """The port of IMAP over TLS at `host`. Its server starts when somebody asks for this."""
        server = ImapServer(self._mail_context, self.faults, self.exchange)
        self._parts.callback(server.close)
        return server.port

    @functools.cached_property
    def smtp_port(self) -> int:
        """The port of SMTP with STARTTLS at `host`. Its server starts when somebody asks for this."""
        server = SmtpServer(self._mail_context, self.faults, self.exchange, self._clock)
        self._parts.callback(server.close)
        return server.port

    @property
    def authority(self) -> str:
        """The tenant's address at Entra: `https://localhost:<port>/<tenant id>`."""
        return self.entra.authority

    @property
    def tenant_id(self) -> str:
        """The tenant's id."""
        return self.entra.tenant_id

    @property
    def app(self) -> AppRegistration:
        """The app, as an administrator sets it in Entra ID."""
        return self.entra.app

    @property
    def client_id(self) -> str:
        """The app's id."""
        return self.entra.client_id

    @property
    def client_secret(self) -> str:
        """The Value of the app's secret. It contains the word canary: tests search for leaks of it."""
        return self.entra.client_secret

    def mailbox(self, address: str, password: str | None = None) -> SandboxMailbox:
        """The mailbox with this address; it is made if it is missing. The app may open it.

        `password`, if given, opens it as well, by USER and PASS or AUTH PLAIN.
        """
        return self.exchange.mailbox(address, password)

    def consent(self, other: Sandbox) -> None:
        """Let the app of another tenant read the mail here, instead of this tenant's own."""
        self.app.client_id = other.client_id
        self.entra.client_secret = other.client_secret

    def machine(self, keys: Path | None = None) -> Machine:
        """A machine in Azure whose identity may open every mailbox. It ends with the sandbox.

        `keys` is where the agent of Azure Arc puts its key files.
        """
        machine = Machine(self.entra.tokens, self.faults, self._clock, keys)
        self._parts.callback(machine.close)
        return machine

    def close(self) -> None:
        """End every session and silence, and wait for the threads. May be called twice."""
        self._parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
