"""A door that follows a script, and the login that knocks there."""

from __future__ import annotations

import ssl
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from mailsluice.checking.knocking import doors
from mailsluice.clock import SystemClock
from mailsluice.diagnosis.facts import Door
from mailsluice.model import BearerToken
from mailsluice.net.connections import Connections
from mailsluice.net.proxy import DIRECT, Route
from mailsluice.pop3.deadlines import Deadlines
from pop3.scripted import HOST, Script, ScriptedServer, Wire, mailbox, server_context

TOKEN = "canary-token"
LINE = b64encode(f"user=a@x.example\x01auth=Bearer {TOKEN}\x01\x01".encode()).decode()
CHALLENGE = b64encode(b'{"status":"401","schemes":"Bearer","scope":"https://outlook"}').decode()


class Doors:
    """Knocks at doors of the mailbox `a@x.example`, which a scripted server has."""

    def __init__(
        self, authority: trustme.CA, ca_file: Path, connections: Connections, patch: pytest.MonkeyPatch
    ) -> None:
        self.context = server_context(authority, HOST)
        self.connections = connections
        self._ca_file = ca_file
        self._patch = patch

    def imap(self, script: Script, **deadlines: Any) -> None:
        """Knock at the IMAP door."""
        self._knock(Door.IMAP, script, self.context, **deadlines)

    def smtp(self, script: Script, *, refused: bool = False, **deadlines: Any) -> None:
        """Knock at the SMTP door. The script begins in clear."""
        self._knock(Door.SMTP, script, None, refused=refused, **deadlines)

    def _knock(
        self,
        door: Door,
        script: Script,
        context: ssl.SSLContext | None,
        *,
        refused: bool = False,
        **deadlines: Any,
    ) -> None:
        with ScriptedServer(script, context, refused=refused) as server:
            self.at(door, server.port, **deadlines)

    def at(self, door: Door, port: int, route: Route = DIRECT, token: str = TOKEN, **deadlines: Any) -> None:
        """Knock at this port."""
        self._patch.setitem(doors.PORTS, door, port)
        doors.knock(
            door,
            mailbox(995, self._ca_file),
            BearerToken(token),
            clock=SystemClock(),
            connections=self.connections,
            deadlines=replace(Deadlines(), **deadlines),
            route=lambda _: route,
        )


def upgrading(context: ssl.SSLContext, clear: Script, secured: Script) -> Script:
    """A script that goes on behind a TLS handshake."""

    def script(wire: Wire) -> None:
        clear(wire)
        with context.wrap_socket(wire._socket, server_side=True) as socket:
            secured(Wire(socket))

    return script
