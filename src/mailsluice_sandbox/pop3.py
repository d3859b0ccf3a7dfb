"""The POP3 server: a dialogue for each connection.

Owns only that. Must never know the contents of a dialogue.
"""

from __future__ import annotations

import ssl
from typing import Any

from mailsluice_sandbox.connection import Connection
from mailsluice_sandbox.dialogue import Dialect, Dialogue
from mailsluice_sandbox.directory import Directory
from mailsluice_sandbox.faults import Faults
from mailsluice_sandbox.server import TlsServer


class Pop3Server(TlsServer):
    """POP3 over implicit TLS, for the mailboxes of a directory."""

    def __init__(
        self, context: ssl.SSLContext, faults: Faults, directory: Directory, dialect: Dialect
    ) -> None:
        self._directory = directory
        self._dialect = dialect
        super().__init__(context, faults, "CONNECT")

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  socketserver's
        """Conduct one session."""
        Dialogue(Connection(request), self._directory, self.faults, self._dialect).run()
