from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from mailsluice.clock import SystemClock
from mailsluice.errors import (
    ConnectionLost,
    DeadlineExceeded,
    Obstacle,
    Phase,
    ServerUnreachable,
    ServerUntrusted,
    Stopped,
)
from mailsluice.net.connection import Connection
from mailsluice.net.connections import Connections
from mailsluice.net.deadlines import Patience
from mailsluice.net.endpoint import Endpoint
from mailsluice.pop3.deadlines import Deadlines
from pop3.scripted import HOST, HandClock, Script, ScriptedServer, Wire, server_context

Dial = Callable[..., Connection]


@pytest.fixture
def dial(connections: Connections) -> Iterator[Dial]:
    with ExitStack() as stack:

        def connect_to(
            endpoint: Endpoint,
            clock: HandClock | None = None,
            among: Connections = connections,
            **deadlines: float,
        ) -> Connection:
            connection = Connection.open(
                endpoint,
                clock=clock or SystemClock(),
                deadlines=replace(Deadlines(), **deadlines),  # type: ignore[arg-type]
                connections=among,
            )
            stack.callback(connection.close)
            return connection

        yield connect_to


@contextmanager
def serving(
    script: Script, context: ssl.SSLContext | None, ca_file: Path, *, refused: bool = False, host: str = HOST
) -> Iterator[Endpoint]:
    with ScriptedServer(script, context, refused=refused) as server:
        yield Endpoint(host, server.port, ca_file)


def silent(wire: Wire) -> None:
    wire.until_closed()


def closed_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    assert isinstance(port, int)
    return port


def test_octets_go_both_ways(dial: Dial, authority: trustme.CA, ca_file: Path) -> None:
    def echo(wire: Wire) -> None:
        wire.send(wire.line())

    with serving(echo, server_context(authority, HOST), ca_file) as endpoint:
        connection = dial(endpoint)
        connection.send(b"hello\r\n", Phase.QUIT, Patience(20))
        assert bytes(connection.receive(Phase.QUIT, Patience(20))) == b"hello\r\n"
        assert bytes(connection.receive(Phase.QUIT, Patience(20))) == b""


def test_a_port_without_a_server_is_unreachable(dial: Dial) -> None:
    port = closed_port()
    with pytest.raises(ServerUnreachable, match=f"127.0.0.1:{port}.*refused") as unreachable:
        dial(Endpoint(HOST, port))
    assert unreachable.value.phase is Phase.CONNECT
    assert unreachable.value.obstacle is Obstacle.REFUSED


@pytest.mark.parametrize("name", ["mail.invalid", "x" * 64 + ".example"])
def test_a_name_that_does_not_resolve_is_unreachable(
    name: str, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(host: str, *_: object, **__: object) -> None:
        host.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ServerUnreachable, match=f"{name}:995") as unreachable:
        dial(Endpoint(name, 995))
    assert unreachable.value.obstacle is Obstacle.NAME


def test_an_unknown_authority_is_untrusted(dial: Dial, ca_file: Path) -> None:
    with (
        serving(silent, server_context(trustme.CA(), HOST), ca_file, refused=True) as endpoint,
        pytest.raises(ServerUntrusted, match=f"{endpoint}.*unable to get local issuer") as untrusted,
    ):
        dial(endpoint)
    assert untrusted.value.obstacle is Obstacle.UNTRUSTED


def test_a_certificate_of_another_name_is_untrusted(dial: Dial, authority: trustme.CA, ca_file: Path) -> None:
    context = server_context(authority, "other.example")
    with (
        serving(silent, context, ca_file, refused=True) as endpoint,
        pytest.raises(ServerUntrusted) as untrusted,
    ):
        dial(endpoint)
    assert untrusted.value.obstacle is Obstacle.OTHER_NAME


def test_an_expired_certificate_is_untrusted(dial: Dial, authority: trustme.CA, ca_file: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    authority.issue_cert(HOST, not_after=yesterday).configure_cert(context)
    with (
        serving(silent, context, ca_file, refused=True) as endpoint,
        pytest.raises(ServerUntrusted, match="expired") as untrusted,
    ):
        dial(endpoint)
    assert untrusted.value.obstacle is Obstacle.EXPIRED


def test_the_systems_authorities_do_not_vouch_for_ours(
    dial: Dial, authority: trustme.CA, ca_file: Path
) -> None:
    context = server_context(authority, HOST)
    with serving(silent, context, ca_file, refused=True) as endpoint, pytest.raises(ServerUntrusted):
        dial(replace(endpoint, ca_file=None))


@pytest.mark.parametrize("text", [None, "no certificate\n"])
def test_an_unusable_ca_file_is_said_to_be_that_before_connecting(
    dial: Dial, tmp_path: Path, text: str | None
) -> None:
    bad = tmp_path / "bad.pem"
    if text is not None:
        bad.write_text(text)
    with pytest.raises(ServerUntrusted, match=str(bad)) as untrusted:
        dial(Endpoint(HOST, closed_port(), bad))
    assert "ca_file" in untrusted.value.remedy


def test_a_server_of_old_tls_is_refused(dial: Dial, authority: trustme.CA, ca_file: Path) -> None:
    context = server_context(authority, HOST)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        serving(silent, context, ca_file, refused=True) as endpoint,
        pytest.raises(ServerUnreachable, match="TLS handshake") as unreachable,
    ):
        dial(endpoint)
    assert unreachable.value.obstacle is Obstacle.OLD_TLS


def test_a_plaintext_server_on_the_port_is_refused(dial: Dial, ca_file: Path) -> None:
    def plain(wire: Wire) -> None:
        wire.send(b"+OK POP3 ready without TLS\r\n")
        wire.until_closed()

    with serving(plain, None, ca_file) as endpoint, pytest.raises(ServerUnreachable) as unreachable:
        dial(endpoint)
    assert unreachable.value.phase is Phase.TLS
    assert unreachable.value.obstacle is Obstacle.NO_TLS


def test_a_reset_in_the_handshake_is_unreachable(dial: Dial, ca_file: Path) -> None:
    def hang_up(wire: Wire) -> None:
        wire.octet()
        wire.reset()

    with serving(hang_up, None, ca_file) as endpoint, pytest.raises(ServerUnreachable) as unreachable:
        dial(endpoint)
    assert unreachable.value.phase is Phase.TLS
    assert unreachable.value.obstacle is Obstacle.HANDSHAKE


def test_silence_in_the_handshake_exceeds_its_deadline(dial: Dial, ca_file: Path) -> None:
    with (
        serving(silent, None, ca_file) as endpoint,
        pytest.raises(DeadlineExceeded, match=f"{endpoint} in phase tls") as slow,
    ):
        dial(endpoint, tls=0.05)
    assert slow.value.phase is Phase.TLS
    assert slow.value.obstacle is Obstacle.SILENT


def test_a_failed_connection_is_not_remembered(dial: Dial, connections: Connections) -> None:
    with pytest.raises(ServerUnreachable):
        dial(Endpoint(HOST, closed_port()))
    assert len(connections) == 0


def test_silence_exceeds_patience(dial: Dial, authority: trustme.CA, ca_file: Path) -> None:
    with serving(silent, server_context(authority, HOST), ca_file) as endpoint:
        connection = dial(endpoint)
        with pytest.raises(DeadlineExceeded, match=r"in phase listing: silent or too slow for 0\.05 s"):
            connection.receive(Phase.LISTING, Patience(0.05))
        connection.close()


def test_a_worn_out_patience_does_not_wait_at_all(dial: Dial, authority: trustme.CA, ca_file: Path) -> None:
    with serving(silent, server_context(authority, HOST), ca_file) as endpoint:
        connection = dial(endpoint)
        with pytest.raises(DeadlineExceeded):
            connection.receive(Phase.LISTING, Patience(0))
        connection.close()


def test_the_session_has_a_hard_end(
    dial: Dial, authority: trustme.CA, ca_file: Path, hand_clock: HandClock
) -> None:
    with serving(silent, server_context(authority, HOST), ca_file) as endpoint:
        connection = dial(endpoint, clock=hand_clock)
        hand_clock.seconds += Deadlines().session
        with pytest.raises(DeadlineExceeded, match="the session lasted"):
            connection.send(b"QUIT\r\n", Phase.QUIT, Patience(60))
        connection.close()


def test_time_that_we_take_ourselves_wears_no_patience(
    dial: Dial, authority: trustme.CA, ca_file: Path, hand_clock: HandClock
) -> None:
    with serving(lambda wire: wire.send(b"x"), server_context(authority, HOST), ca_file) as endpoint:
        connection = dial(endpoint, clock=hand_clock)
        patience = Patience(60)
        hand_clock.seconds += 600
        assert bytes(connection.receive(Phase.RETRIEVE, patience)) == b"x"
        assert patience.left == 60


def test_sending_to_a_server_that_broke_off_loses_the_connection(
    dial: Dial, authority: trustme.CA, ca_file: Path
) -> None:
    with serving(Wire.reset, server_context(authority, HOST), ca_file) as endpoint:
        connection = dial(endpoint)
        with suppress(ConnectionLost):  # the TLS library of Python before 3.13 shows a reset as an end
            assert not connection.receive(Phase.RETRIEVE, Patience(20))
        with pytest.raises(ConnectionLost, match=f"{endpoint} in phase delete"):
            connection.send(b"DELE 1\r\n", Phase.DELETE, Patience(20))


def test_a_closed_connection_says_so(dial: Dial, authority: trustme.CA, ca_file: Path) -> None:
    with serving(silent, server_context(authority, HOST), ca_file) as endpoint:
        connection = dial(endpoint)
        connection.close()
        connection.close()
        assert connection.closed
        with pytest.raises(ConnectionLost, match="closed already"):
            connection.receive(Phase.QUIT, Patience(20))


def test_abort_from_another_thread_ends_a_blocked_read(
    dial: Dial, authority: trustme.CA, ca_file: Path, connections: Connections
) -> None:
    def cut_off(wire: Wire) -> None:
        assert wire.line() == b"now\r\n"
        connections.abort_all()
        wire.until_closed()

    with serving(cut_off, server_context(authority, HOST), ca_file) as endpoint:
        connection = dial(endpoint)
        patience = Patience(20)
        with pytest.raises(Stopped, match=f"{endpoint}, in phase listing"):  # noqa: PT012  it may cut either
            connection.send(b"now\r\n", Phase.LISTING, patience)
            connection.receive(Phase.LISTING, patience)
        connection.close()


def test_abort_from_another_thread_ends_a_handshake(
    dial: Dial, ca_file: Path, connections: Connections
) -> None:
    def cut_off(wire: Wire) -> None:
        connections.abort_all()
        wire.until_closed()

    with serving(cut_off, None, ca_file) as endpoint, pytest.raises(Stopped):
        dial(endpoint)


def test_a_part_is_cut_alone_and_with_all(
    dial: Dial, authority: trustme.CA, ca_file: Path, connections: Connections
) -> None:
    cut, left = connections.part(), connections.part()
    with serving(silent, server_context(authority, HOST), ca_file) as endpoint:
        connection = dial(endpoint, among=left)
        cut.abort_all()
        connection.check(Phase.LISTING)
        with pytest.raises(Stopped):
            dial(endpoint, among=cut)
        connections.abort_all()
        with pytest.raises(Stopped):
            connection.check(Phase.LISTING)
        connection.close()
    assert (len(left), len(connections)) == (0, 0)


def test_after_all_were_aborted_a_part_opens_nothing(dial: Dial, connections: Connections) -> None:
    part = connections.part()
    connections.abort_all()
    with pytest.raises(Stopped):
        dial(Endpoint(HOST, closed_port()), among=part)


def test_abort_leaves_the_tls_layer_in_place(dial: Dial, authority: trustme.CA, ca_file: Path) -> None:
    with serving(silent, server_context(authority, HOST), ca_file) as endpoint:
        connection = dial(endpoint)
        connection.abort()
        assert isinstance(connection._socket, ssl.SSLSocket)
        assert connection._socket.version() is not None
        with pytest.raises(Stopped):
            connection.send(b"PASS canary\r\n", Phase.AUTH, Patience(20))
        connection.close()


def test_after_an_abort_nothing_goes_on_with_what_was_received(
    dial: Dial, authority: trustme.CA, ca_file: Path
) -> None:
    with serving(silent, server_context(authority, HOST), ca_file) as endpoint:
        connection = dial(endpoint)
        connection.check(Phase.RETRIEVE)
        connection.abort()
        with pytest.raises(Stopped, match="retrieve"):
            connection.check(Phase.RETRIEVE)
        connection.close()


def test_after_an_abort_of_all_nothing_new_is_opened(dial: Dial, connections: Connections) -> None:
    connections.abort_all()
    with pytest.raises(Stopped):
        dial(Endpoint(HOST, closed_port()))


def test_what_goes_wrong_behind_octets_is_told_after_them(
    dial: Dial, authority: trustme.CA, ca_file: Path
) -> None:
    def corrupt(wire: Wire) -> None:
        wire.send(b"whole\r\n")
        socket.socket.sendall(wire._socket, b"this is no TLS record, but what a broken middlebox sends")
        with suppress(ssl.SSLError):  # our alert
            wire.until_closed()

    def receive_all(connection: Connection, received: bytearray) -> None:
        while data := connection.receive(Phase.RETRIEVE, Patience(20)):
            received += data

    with serving(corrupt, server_context(authority, HOST), ca_file) as endpoint:
        connection, received = dial(endpoint), bytearray()
        with pytest.raises(ConnectionLost, match="WRONG_VERSION_NUMBER"):
            receive_all(connection, received)
        assert received == b"whole\r\n"
        connection.close()
