"""The certificate that was not accepted, as it is shown to a person."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from mailsluice.clock import SystemClock
from mailsluice.net import presented as module
from mailsluice.net.endpoint import Endpoint
from mailsluice.net.presented import presented
from mailsluice.net.proxy import Proxy
from pop3.scripted import HOST, ScriptedServer, Wire, server_context
from support.black_hole import black_hole
from support.certificates import with_common_name_alone
from support.connect_proxy import ConnectProxy, refusing, tunnel

CLOCK = SystemClock()


def until_closed(wire: Wire) -> None:
    wire.until_closed()


def test_whoever_issued_it_is_told_with_its_validity(ca_file: Path) -> None:
    interceptor = trustme.CA(organization_name="Zscaler Inc.")
    ended = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    interceptor.issue_cert(HOST, common_name="mail", not_after=ended).configure_cert(context)
    with ScriptedServer(until_closed, context) as server:
        found = presented(Endpoint(HOST, server.port, ca_file), CLOCK)
    assert found is not None
    assert found.subject.startswith("mail (")
    assert found.issuer.endswith("Zscaler Inc.")
    assert found.names == (HOST,)
    assert found.begins < ended
    assert found.ends == ended


def test_nothing_is_sent_over_a_connection_that_is_not_verified(ca_file: Path) -> None:
    heard: list[bytes] = []
    with ScriptedServer(
        lambda wire: heard.append(wire.until_closed()), server_context(trustme.CA(), HOST)
    ) as server:
        assert presented(Endpoint(HOST, server.port, ca_file), CLOCK)
    assert heard == [b""]


def test_the_name_of_the_server_is_said_so_that_it_presents_the_same_certificate(ca_file: Path) -> None:
    asked: list[str | None] = []
    context = server_context(trustme.CA(), "localhost")
    context.sni_callback = lambda _wire, name, _context: asked.append(name)
    with ScriptedServer(until_closed, context) as server:
        assert presented(Endpoint("localhost", server.port, ca_file), CLOCK)
    assert asked == ["localhost"]


def test_a_certificate_without_subject_alternative_names_has_no_names(authority: trustme.CA) -> None:
    with ScriptedServer(until_closed, with_common_name_alone(authority, "pop.example")) as server:
        found = presented(Endpoint(HOST, server.port), CLOCK)
    assert found is not None
    assert (found.subject, found.names) == ("pop.example", ())


def test_it_is_asked_for_on_the_route_of_the_connection(ca_file: Path) -> None:
    def into_its_own_hands(wire: socket.socket, _: bytes) -> None:
        tunnel(wire, f"CONNECT {HOST}:{interceptor.port} HTTP/1.1".encode())

    interceptor = ScriptedServer(until_closed, server_context(trustme.CA(), "pop.acme.example"))
    with interceptor, ConnectProxy(into_its_own_hands) as proxy:
        route = Proxy(HOST, proxy.port, "service.proxy", "")
        found = presented(Endpoint("pop.acme.example", 995, ca_file, route=route), CLOCK)
    assert found is not None
    assert found.names == ("pop.acme.example",)
    assert proxy.requests[0].startswith(b"CONNECT pop.acme.example:995 ")


def test_without_a_server_there_is_none() -> None:
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        assert presented(Endpoint(HOST, unused.getsockname()[1]), CLOCK) is None


def test_a_server_without_tls_presents_none() -> None:
    def plain(wire: Wire) -> None:
        wire.send(b"+OK POP3 ready without TLS\r\n")
        wire.until_closed()

    with ScriptedServer(plain, None) as server:
        assert presented(Endpoint(HOST, server.port), CLOCK) is None


def test_a_proxy_that_refuses_lets_none_through() -> None:
    with ConnectProxy(refusing(403)) as proxy:
        route = Proxy(HOST, proxy.port, "service.proxy", "")
        assert presented(Endpoint(HOST, 995, route=route), CLOCK) is None


@pytest.mark.parametrize("name", ["x" * 64 + ".example", ".example", "mail\0.example"])
def test_a_name_that_no_server_can_have_has_none(name: str) -> None:
    assert presented(Endpoint(name, 995), CLOCK) is None


def test_silence_ends_at_the_deadline() -> None:
    begun = CLOCK.monotonic()
    with black_hole() as (host, port):
        assert presented(Endpoint(host, port), CLOCK, deadline=0.1) is None
    with ScriptedServer(until_closed, None) as server:
        assert presented(Endpoint(HOST, server.port), CLOCK, deadline=0.1) is None
    assert CLOCK.monotonic() - begun < 5


@pytest.mark.parametrize("der", [b"", b"\x30", b"\x30\x82\xff\xff" + b"\0" * 100])
def test_what_is_no_certificate_is_not_read(der: bytes) -> None:
    assert module._read(der) is None


@pytest.mark.parametrize(
    ("whole", "broken"),
    [
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x14"),  # version 21
        (b"\x17\x0d", b"\x17\x0c"),  # a time that is none
        (b"\x55\x1d\x11", b"\x55\x1d\x0f"),  # subjectAltName that is called another extension
    ],
    ids=["version", "time", "extension"],
)
def test_a_certificate_that_was_made_to_break_the_reader_is_none_or_harmless(
    authority: trustme.CA, whole: bytes, broken: bytes
) -> None:
    der = certificate_of(authority)
    assert whole in der
    found = module._read(der.replace(whole, broken))
    assert found is None or found.names == ()


def test_a_certificate_that_the_library_would_warn_of_is_told_without_a_word(authority: trustme.CA) -> None:
    der = certificate_of(authority)
    at = der.index(b"\xa0\x03\x02\x01\x02\x02") + 6  # the length of the serial number
    assert module._read(der[: at + 1] + b"\x80" + der[at + 2 :])  # a negative one


def certificate_of(authority: trustme.CA) -> bytes:
    pem = authority.issue_cert(HOST, common_name="mail").cert_chain_pems[0].bytes()
    return ssl.PEM_cert_to_DER_cert(pem.decode())
