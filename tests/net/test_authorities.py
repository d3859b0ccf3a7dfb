"""Whom a mail server has to be vouched for by, and when that is read anew."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from mailsluice.clock import SystemClock
from mailsluice.errors import ServerUntrusted
from mailsluice.net.authorities import Authorities
from mailsluice.net.connection import Connection
from mailsluice.net.connections import Connections
from mailsluice.net.endpoint import Endpoint
from mailsluice.pop3.deadlines import Deadlines
from pop3.scripted import HOST, server_context


class Server:
    """A TLS server that hangs up after each handshake, and counts those who came. Its certificate may change."""

    def __init__(self, authority: trustme.CA) -> None:
        self.context = server_context(authority, HOST)
        self.came = 0
        self._listener = socket.create_server((HOST, 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def port(self) -> int:
        port = self._listener.getsockname()[1]
        assert isinstance(port, int)
        return port

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):  # the end
            while True:
                plain, _ = self._listener.accept()
                self.came += 1
                with plain, suppress(OSError), self.context.wrap_socket(plain, server_side=True):
                    pass


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[Server]:
    server = Server(authority)
    yield server
    server.close()


@pytest.fixture
def authorities() -> Authorities:
    return Authorities()


def write(authority: trustme.CA, path: Path) -> None:
    """As an administrator does: the new one is put in the place of the old one."""
    new = path.with_suffix(".new")
    authority.cert_pem.write_to_path(str(new))
    new.replace(path)


def open_and_close(endpoint: Endpoint, connections: Connections) -> None:
    connection = Connection.open(
        endpoint, clock=SystemClock(), deadlines=Deadlines(), connections=connections
    )
    connection.close()


def test_one_context_serves_all_threads(authorities: Authorities, ca_file: Path) -> None:
    contexts: list[ssl.SSLContext] = []
    threads = [
        threading.Thread(target=lambda: contexts.append(authorities.context(ca_file))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(context) for context in contexts}) == 1
    assert authorities.context(None) is not authorities.context(ca_file)


def test_a_ca_file_that_was_renewed_with_the_server_is_noticed_by_the_session_that_meets_it(
    server: Server, authority: trustme.CA, tmp_path: Path, connections: Connections
) -> None:
    write(authority, ca_file := tmp_path / "ca.pem")
    endpoint = Endpoint(HOST, server.port, ca_file)
    open_and_close(endpoint, connections)

    renewed = trustme.CA()
    write(renewed, ca_file)
    open_and_close(endpoint, connections)  # the server still has its old certificate
    server.context = server_context(renewed, HOST)
    open_and_close(endpoint, connections)

    assert server.came == 4


def test_the_systems_bundle_that_was_renewed_is_noticed_too(
    server: Server,
    authority: trustme.CA,
    tmp_path: Path,
    connections: Connections,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(trustme.CA(), bundle := tmp_path / "bundle.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    endpoint = Endpoint(HOST, server.port)
    with pytest.raises(ServerUntrusted):
        open_and_close(endpoint, connections)

    write(authority, bundle)
    open_and_close(endpoint, connections)


def test_a_directory_of_the_systems_that_got_a_new_authority_is_noticed_too(
    authorities: Authorities, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: trustme.CA
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path / 'missing'}:{tmp_path}")
    context = authorities.context(None)
    assert authorities.renewed(None, context) is None
    write(authority, tmp_path / "0123abcd.0")
    assert authorities.renewed(None, context) not in {None, context}


def test_a_server_that_nobody_vouches_for_is_asked_once_while_nothing_has_changed(
    server: Server, tmp_path: Path, connections: Connections
) -> None:
    write(trustme.CA(), ca_file := tmp_path / "ca.pem")
    for _ in range(2):
        with pytest.raises(ServerUntrusted, match="unable to get local issuer"):
            open_and_close(Endpoint(HOST, server.port, ca_file), connections)
    assert server.came == 2


def test_a_server_that_the_renewed_file_does_not_vouch_for_either_is_asked_twice_and_no_more(
    server: Server, tmp_path: Path, connections: Connections
) -> None:
    write(trustme.CA(), ca_file := tmp_path / "ca.pem")
    connections.authorities.context(ca_file)
    write(trustme.CA(), ca_file)
    with pytest.raises(ServerUntrusted, match="unable to get local issuer"):
        open_and_close(Endpoint(HOST, server.port, ca_file), connections)
    assert server.came == 2


def test_a_file_that_is_broken_at_that_moment_is_said_to_be_that_and_read_when_it_is_whole(
    server: Server, authority: trustme.CA, tmp_path: Path, connections: Connections
) -> None:
    write(trustme.CA(), ca_file := tmp_path / "ca.pem")
    endpoint = Endpoint(HOST, server.port, ca_file)
    with pytest.raises(ServerUntrusted):
        open_and_close(endpoint, connections)
    ca_file.write_text("half of it")
    with pytest.raises(ServerUntrusted, match="no certificate authorities can be read"):
        open_and_close(endpoint, connections)
    write(authority, ca_file)
    open_and_close(endpoint, connections)


def test_sessions_that_fail_together_read_the_file_once(
    authorities: Authorities, authority: trustme.CA, tmp_path: Path
) -> None:
    write(trustme.CA(), ca_file := tmp_path / "ca.pem")
    old = authorities.context(ca_file)
    write(authority, ca_file)
    assert authorities.renewed(ca_file, old) is authorities.renewed(ca_file, old)


def test_what_was_taken_out_of_a_file_is_trusted_no_more_after_a_reload(
    server: Server, authority: trustme.CA, tmp_path: Path, connections: Connections
) -> None:
    write(authority, ca_file := tmp_path / "ca.pem")
    endpoint = Endpoint(HOST, server.port, ca_file)
    open_and_close(endpoint, connections)
    write(trustme.CA(), ca_file)
    connections.authorities.forget()
    with pytest.raises(ServerUntrusted):
        open_and_close(endpoint, connections)
