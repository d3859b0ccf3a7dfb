"""What is told of the server's certificate, and of the TLS that it was shown in."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from mailsluice.clock import SystemClock
from mailsluice.net.certificate import shown, spelled
from mailsluice.net.connection import Connection
from mailsluice.net.connections import Connections
from mailsluice.net.endpoint import Endpoint
from mailsluice.pop3.deadlines import Deadlines
from pop3.scripted import HOST, ScriptedServer, Wire

Connected = Callable[[ssl.SSLContext], Connection]


@pytest.fixture
def connected(ca_file: Path, connections: Connections) -> Iterator[Connected]:
    with ExitStack() as stack:

        def connect(context: ssl.SSLContext) -> Connection:
            server = stack.enter_context(ScriptedServer(until_closed, context))
            endpoint = Endpoint(HOST, server.port, ca_file)
            connection = Connection.open(
                endpoint, clock=SystemClock(), deadlines=Deadlines(), connections=connections
            )
            stack.callback(connection.close)
            return connection

        yield connect


def until_closed(wire: Wire) -> None:
    wire.until_closed()


def certified(authority: trustme.CA, ends: datetime) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(
        HOST, "mail.acme.example", common_name="mail", organization_name="Acme", not_after=ends
    ).configure_cert(context)
    return context


def test_a_connection_tells_its_tls_and_whose_the_certificate_is(
    connected: Connected, authority: trustme.CA
) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    tls = connected(certified(authority, ends)).tls
    assert tls is not None
    assert tls.version == "TLSv1.3"
    assert tls.cipher.startswith("TLS_")
    assert tls.certificate.subject == "mail (Acme)"
    assert tls.certificate.issuer.startswith("trustme v")
    assert tls.certificate.names == (HOST, "mail.acme.example")
    assert tls.certificate.begins < datetime.now(UTC)
    assert tls.certificate.ends == ends


def test_a_closed_connection_has_no_tls(connected: Connected, authority: trustme.CA) -> None:
    connection = connected(certified(authority, datetime.now(UTC) + timedelta(days=1)))
    connection.close()
    assert connection.tls is None


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"commonName": "mail", "organizationName": "Acme"}, "mail (Acme)"),
        ({"commonName": "mail"}, "mail"),
        ({"organizationName": "Acme"}, "Acme"),
        ({}, ""),
        ({"commonName": "\x1b[2J"}, "\\x1b[2J"),
        ({"commonName": "x" * 10_000}, "x" * 200),
    ],
)
def test_a_name_is_short_and_printable(attributes: dict[str, str], name: str) -> None:
    assert spelled(attributes) == name


def test_of_many_names_the_first_are_told() -> None:
    assert shown(f"{number}\n" for number in range(10**9)) == tuple(f"{number}\\n" for number in range(20))
