from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta

import pytest

from mailsluice_sandbox import Close, Fault, Sandbox, SandboxMailbox, Tls
from sandbox.raw_client import ADDRESS, HandClock, credential

HOUR = timedelta(hours=1)
REFUSED = b"5.7.3 Authentication unsuccessful [AM0PR01CA0099.eurprd01.prod.sandbox.example 2026-03-01T12:00:00.000Z]"


@pytest.fixture(scope="module")
def tenant() -> Iterator[Sandbox]:
    with Sandbox(HandClock()) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(tenant: Sandbox) -> Sandbox:
    tenant.app.roles[:] = ["SMTP.SendAsApp"]
    tenant.app.scopes[:] = ["SMTP.Send"]
    return tenant


@pytest.fixture
def mailbox(sandbox: Sandbox) -> SandboxMailbox:
    mailbox = sandbox.mailbox(ADDRESS)
    mailbox.smtp_enabled = True
    return mailbox


@pytest.fixture
def plain(sandbox: Sandbox, mailbox: SandboxMailbox) -> Iterator[smtplib.SMTP]:
    client = smtplib.SMTP(sandbox.host, sandbox.smtp_port, timeout=10)
    yield client
    client.close()


@pytest.fixture
def client(plain: smtplib.SMTP, sandbox: Sandbox) -> smtplib.SMTP:
    """After STARTTLS and the second EHLO."""
    secure(plain, sandbox)
    plain.ehlo()
    return plain


def secure(client: smtplib.SMTP, sandbox: Sandbox) -> None:
    client.starttls(context=ssl.create_default_context(cafile=str(sandbox.ca_file)))


def log_in(client: smtplib.SMTP, token: str, address: str = ADDRESS) -> tuple[int, bytes]:
    return client.docmd("AUTH", "XOAUTH2 " + credential(address, token).decode())


def test_greets_as_exchange_does(sandbox: Sandbox) -> None:
    with smtplib.SMTP(timeout=10) as client:
        status, text = client.connect(sandbox.host, sandbox.smtp_port)
    assert (status, text.partition(b" ")[2]) == (
        220,
        b"Microsoft ESMTP MAIL Service ready at Sun, 01 Mar 2026 12:00:00 +0000",
    )


def test_offers_a_login_only_after_tls(plain: smtplib.SMTP, sandbox: Sandbox) -> None:
    plain.ehlo()
    assert (plain.has_extn("starttls"), plain.has_extn("auth")) == (True, False)
    assert plain.docmd("AUTH", "XOAUTH2 x")[0] == 504
    secure(plain, sandbox)
    plain.ehlo()
    assert (plain.has_extn("starttls"), plain.esmtp_features["auth"].split()) == (False, ["LOGIN", "XOAUTH2"])


def test_a_token_logs_in_on_the_same_line(client: smtplib.SMTP, sandbox: Sandbox) -> None:
    assert log_in(client, sandbox.entra.tokens.mint()) == (235, b"2.7.0 Authentication successful")
    assert client.noop()[0] == 250
    assert client.quit() == (221, b"2.0.0 Service closing transmission channel")


def test_a_token_logs_in_on_the_next_line(client: smtplib.SMTP, sandbox: Sandbox) -> None:
    assert client.docmd("AUTH", "XOAUTH2") == (334, b"")
    assert client.docmd(credential(ADDRESS, sandbox.entra.tokens.mint()).decode())[0] == 235


def test_a_person_logs_in(client: smtplib.SMTP, sandbox: Sandbox) -> None:
    assert log_in(client, sandbox.entra.tokens.mint_for(ADDRESS, "object", lifetime=HOUR))[0] == 235


def test_a_token_without_the_role_for_smtp_is_refused(client: smtplib.SMTP, sandbox: Sandbox) -> None:
    sandbox.app.roles[:] = ["POP.AccessAsApp", "IMAP.AccessAsApp"]
    assert log_in(client, sandbox.entra.tokens.mint()) == (535, REFUSED)


def test_a_person_with_another_mailbox_is_refused(client: smtplib.SMTP, sandbox: Sandbox) -> None:
    token = sandbox.entra.tokens.mint_for("ann@acme.example", "ann", lifetime=HOUR)
    assert log_in(client, token) == (535, REFUSED)


def test_a_mailbox_without_smtp_is_refused_and_told_why(
    client: smtplib.SMTP, sandbox: Sandbox, mailbox: SandboxMailbox
) -> None:
    mailbox.smtp_enabled = False
    status, text = log_in(client, sandbox.entra.tokens.mint())
    assert status == 535
    assert text.startswith(
        b"5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. "
        b"Visit https://aka.ms/smtp_auth_disabled for more information."
    )
    assert log_in(client, "canary") == (535, REFUSED)


def test_other_mechanisms_and_commands_are_not_known(client: smtplib.SMTP) -> None:
    assert client.docmd("AUTH", "LOGIN")[0] == 504
    assert client.docmd("MAIL", "FROM:<a@acme.example>")[0] == 500


def test_what_was_sent_ahead_of_tls_is_lost(plain: smtplib.SMTP, sandbox: Sandbox) -> None:
    assert plain.sock is not None
    plain.sock.sendall(b"STARTTLS\r\nNOOP\r\n")
    assert plain.getreply()[0] == 220
    context = ssl.create_default_context(cafile=str(sandbox.ca_file))
    with context.wrap_socket(plain.sock, server_hostname=sandbox.host) as tls:
        tls.sendall(b"QUIT\r\n")
        assert tls.recv(100).startswith(b"221")


def test_a_line_without_end_is_refused(client: smtplib.SMTP) -> None:
    assert client.docmd("EHLO", "a" * 70_000)[0] == 500


def test_tls_is_that_of_the_mail_host() -> None:
    with Sandbox(mail_tls=Tls.INTERCEPTED) as sandbox:
        client = smtplib.SMTP(sandbox.host, sandbox.smtp_port, timeout=10)
        with pytest.raises(ssl.SSLCertVerificationError):
            secure(client, sandbox)
        client.close()


def test_its_door_can_be_shut(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("SMTP_CONNECT", Close()))
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtplib.SMTP(sandbox.host, sandbox.smtp_port, timeout=10)


def test_it_ends_with_the_sandbox_whatever_its_clients_do() -> None:
    with Sandbox() as sandbox:
        port = sandbox.smtp_port
        silent = socket.create_connection(("127.0.0.1", port))
        half = smtplib.SMTP(sandbox.host, port, timeout=10)
        half.docmd("STARTTLS")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    silent.close()
    half.close()
