from __future__ import annotations

import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from mailsluice_sandbox import Drip, Fault, Garbage, Sandbox, Silence
from sandbox.raw_client import ADDRESS, RawClient


def test_everything_ends_at_close_whatever_the_clients_do(capfd: pytest.CaptureFixture[str]) -> None:
    others = set(threading.enumerate())
    sandbox = Sandbox()
    sandbox.mailbox(ADDRESS).deliver(b"x" * 5_000_000)
    silence = sandbox.faults.add(Fault("STAT", Silence(), times=None))
    sandbox.faults.add(Fault("NOOP", Drip(pause=1000)))
    sandbox.faults.add(Fault("UIDL", Garbage(b"x" * 10_000, endless=True)))
    clients = [RawClient(sandbox) for _ in range(6)]
    unspoken = socket.create_connection(("127.0.0.1", sandbox.pop3_port))
    for client, command in zip(clients, (b"STAT", b"STAT", b"NOOP", b"UIDL", b"RETR 1"), strict=False):
        client.log_in(ADDRESS)
        client.send(command + b"\r\n")
    assert silence.wait(10, fired=2)
    started = time.monotonic()
    sandbox.close()
    assert time.monotonic() - started < 2
    assert set(threading.enumerate()) <= others
    unspoken.close()
    for client in clients:
        client.tls.close()
    assert capfd.readouterr().err == ""


def test_its_threads_never_keep_a_program_alive() -> None:
    others = set(threading.enumerate())
    with Sandbox() as sandbox, RawClient(sandbox) as client:
        client.line()
        threads = set(threading.enumerate()) - others
        assert len(threads) == 3
        assert all(thread.daemon for thread in threads)


def test_clients_that_vanish_make_no_noise(capfd: pytest.CaptureFixture[str]) -> None:
    with Sandbox() as sandbox:
        sandbox.mailbox(ADDRESS).deliver(b"x" * 5_000_000)
        for farewell in (b"RETR 1\r\n", b"NOO", b""):
            with RawClient(sandbox) as client:
                client.log_in(ADDRESS)
                client.send(farewell)
        socket.create_connection(("127.0.0.1", sandbox.pop3_port)).close()
        with socket.create_connection(("127.0.0.1", sandbox.pop3_port)) as plain:
            plain.sendall(b"CAPA\r\n")
    assert capfd.readouterr().err == ""


def test_closing_twice_is_closing_once() -> None:
    with Sandbox() as sandbox:
        sandbox.close()


def test_leaves_no_file_behind() -> None:
    with Sandbox() as sandbox:
        ca_file: Path = sandbox.ca_file
        assert b"PRIVATE" not in ca_file.read_bytes()
    assert not ca_file.parent.exists()


def test_a_client_that_does_not_know_the_ca_does_not_trust_it(sandbox: Sandbox) -> None:
    context = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", sandbox.pop3_port)) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


def test_the_certificate_is_for_the_address_as_well(sandbox: Sandbox) -> None:
    context = ssl.create_default_context(cafile=str(sandbox.ca_file))
    with (
        socket.create_connection(("127.0.0.1", sandbox.pop3_port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
    ):
        assert tls.version() == "TLSv1.3"


def test_tls_1_2_is_spoken_as_well(sandbox: Sandbox) -> None:
    context = ssl.create_default_context(cafile=str(sandbox.ca_file))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", sandbox.pop3_port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        assert tls.version() == "TLSv1.2"


def test_two_sandboxes_are_two_tenants(sandbox: Sandbox) -> None:
    with Sandbox() as other, RawClient(other) as client:
        other.mailbox(ADDRESS)
        assert client.log_in(ADDRESS, sandbox.entra.tokens.mint()).startswith(b"-ERR")


def test_asking_for_a_mailbox_again_gives_the_same_one(sandbox: Sandbox) -> None:
    assert sandbox.mailbox(ADDRESS.upper()) is sandbox.mailbox(ADDRESS)


def test_sessions_run_side_by_side(sandbox: Sandbox) -> None:
    clients = [RawClient(sandbox) for _ in range(16)]
    try:
        assert [client.log_in(ADDRESS)[:3] for client in clients] == [b"+OK"] * 16
    finally:
        for client in clients:
            client.tls.close()
