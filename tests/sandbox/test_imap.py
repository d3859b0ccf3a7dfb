from __future__ import annotations

import base64
import contextlib
import imaplib
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta

import pytest

from mailsluice_sandbox import Close, Fault, NotConnected, Sandbox, SandboxMailbox
from sandbox.raw_client import ADDRESS, credential

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def tenant() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(tenant: Sandbox) -> Sandbox:
    tenant.app.roles[:] = ["IMAP.AccessAsApp"]
    tenant.app.scopes[:] = ["IMAP.AccessAsUser.All"]
    return tenant


@pytest.fixture
def mailbox(sandbox: Sandbox) -> SandboxMailbox:
    mailbox = sandbox.mailbox(ADDRESS)
    mailbox.imap_enabled, mailbox.pop_enabled, mailbox.not_connected = True, False, None
    return mailbox


@pytest.fixture
def client(sandbox: Sandbox, mailbox: SandboxMailbox) -> Iterator[imaplib.IMAP4_SSL]:
    client = connect(sandbox)
    yield client
    with contextlib.suppress(OSError):  # logged out already
        client.shutdown()


def connect(sandbox: Sandbox) -> imaplib.IMAP4_SSL:
    context = ssl.create_default_context(cafile=str(sandbox.ca_file))
    return imaplib.IMAP4_SSL(sandbox.host, sandbox.imap_port, ssl_context=context, timeout=10)


def log_in(client: imaplib.IMAP4_SSL, token: str, address: str = ADDRESS) -> str:
    """OK, or why not."""
    words = base64.b64decode(credential(address, token))
    try:
        return client.authenticate("XOAUTH2", lambda _: words)[0]
    except imaplib.IMAP4.error as error:
        return str(error)


def test_greets_as_exchange_does(client: imaplib.IMAP4_SSL) -> None:
    head, _, tag = client.welcome.partition(b"[")
    assert head == b"* OK The Microsoft Exchange IMAP4 service is ready. "
    assert base64.b64decode(tag.removesuffix(b"]")).decode("utf-16-le").endswith(".sandbox.example")
    assert client.capabilities[2:5] == ("AUTH=PLAIN", "AUTH=XOAUTH2", "SASL-IR")


def test_a_token_logs_in_on_the_next_line(client: imaplib.IMAP4_SSL, sandbox: Sandbox) -> None:
    assert log_in(client, sandbox.entra.tokens.mint()) == "OK"
    assert client.noop() == ("OK", [b"NOOP completed."])
    assert "BACKENDAUTHENTICATE" in client.capability()[1][0].decode()
    assert client.logout() == ("BYE", [b"Microsoft Exchange Server IMAP4 server signing off."])


def test_a_token_logs_in_on_the_same_line(client: imaplib.IMAP4_SSL, sandbox: Sandbox) -> None:
    client.send(b"a AUTHENTICATE XOAUTH2 " + credential(ADDRESS, sandbox.entra.tokens.mint()) + b"\r\n")
    assert client.readline() == b"a OK AUTHENTICATE completed.\r\n"


def test_a_person_logs_in(client: imaplib.IMAP4_SSL, sandbox: Sandbox) -> None:
    token = sandbox.entra.tokens.mint_for(ADDRESS, "object", lifetime=HOUR)
    assert log_in(client, token) == "OK"


@pytest.mark.parametrize("roles", [["POP.AccessAsApp"], []])
def test_a_token_without_the_role_for_imap_is_refused(
    client: imaplib.IMAP4_SSL, sandbox: Sandbox, roles: list[str]
) -> None:
    sandbox.app.roles[:] = roles
    assert log_in(client, sandbox.entra.tokens.mint()) == "AUTHENTICATE failed."


def test_a_person_who_delegated_pop3_alone_is_refused(client: imaplib.IMAP4_SSL, sandbox: Sandbox) -> None:
    sandbox.app.scopes[:] = ["POP.AccessAsUser.All"]
    token = sandbox.entra.tokens.mint_for(ADDRESS, "object", lifetime=HOUR)
    assert log_in(client, token) == "AUTHENTICATE failed."


def test_a_mailbox_without_imap_is_refused(
    client: imaplib.IMAP4_SSL, sandbox: Sandbox, mailbox: SandboxMailbox
) -> None:
    mailbox.imap_enabled = False
    assert log_in(client, sandbox.entra.tokens.mint()) == "AUTHENTICATE failed."


@pytest.mark.parametrize("mechanism", [b"PLAIN AGEAYg==", b"XOAUTH2 !", b"GSSAPI"])
def test_other_credentials_are_refused(client: imaplib.IMAP4_SSL, mechanism: bytes) -> None:
    client.send(b"a AUTHENTICATE " + mechanism + b"\r\n")
    assert client.readline() == b"a NO AUTHENTICATE failed.\r\n"


def test_a_session_that_is_not_connected_says_so_twice_and_ends(
    client: imaplib.IMAP4_SSL, sandbox: Sandbox
) -> None:
    token = sandbox.entra.tokens.mint_for("ann@acme.example", "ann", lifetime=HOUR)
    assert log_in(client, token) == "OK"
    client.send(b"a SELECT INBOX\r\nb NOOP\r\n")
    assert [client.readline() for _ in range(4)] == [
        b"a BAD User is authenticated but not connected.\r\n",
        b"b BAD User is authenticated but not connected.\r\n",
        b"* BYE Connection closed. 14\r\n",
        b"",
    ]


def test_a_session_that_is_not_connected_can_just_end(
    client: imaplib.IMAP4_SSL, sandbox: Sandbox, mailbox: SandboxMailbox
) -> None:
    mailbox.not_connected = NotConnected.HANGS_UP
    log_in(client, sandbox.entra.tokens.mint())
    client.send(b"a NOOP\r\n")
    assert client.readline() == b""


def test_the_number_of_messages_is_told_after_a_login_alone(
    client: imaplib.IMAP4_SSL, sandbox: Sandbox, mailbox: SandboxMailbox
) -> None:
    client.send(b"a STATUS INBOX (MESSAGES)\r\n")
    assert client.readline() == b"a BAD Command Error. 12\r\n"
    log_in(client, sandbox.entra.tokens.mint())
    count = len(mailbox.remaining())
    assert client.status("INBOX", "(MESSAGES)") == ("OK", [b"INBOX (MESSAGES %d)" % count])


def test_what_it_does_not_know_is_bad(client: imaplib.IMAP4_SSL) -> None:
    client.send(b"a FETCH 1\r\n")
    assert client.readline() == b"a BAD Command Error. 12\r\n"


def test_a_line_without_end_ends_the_session(client: imaplib.IMAP4_SSL) -> None:
    client.send(b"a" * 70_000)
    assert client.readline().startswith(b"* BYE")


def test_its_door_can_be_shut(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("IMAP_CONNECT", Close()))
    with pytest.raises(ssl.SSLEOFError):
        connect(sandbox)


def test_it_is_there_only_if_somebody_asks_and_ends_with_the_sandbox() -> None:
    with Sandbox() as sandbox:
        port = sandbox.imap_port
        assert sandbox.imap_port == port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
