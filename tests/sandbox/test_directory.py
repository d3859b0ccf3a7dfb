from __future__ import annotations

from datetime import timedelta

import pytest

from mailsluice_sandbox import Sandbox
from sandbox.raw_client import ADDRESS, RawClient, credential

REFUSED = b"-ERR Authentication failure: unknown user name or bad password.\r\n"


def test_an_alias_is_refused_in_the_same_words(sandbox: Sandbox, client: RawClient) -> None:
    sandbox.mailbox(ADDRESS).aliases.add("bills@acme.example")
    assert client.log_in("bills@acme.example") == REFUSED


def test_a_mailbox_without_pop3_is_refused_in_the_same_words(sandbox: Sandbox, client: RawClient) -> None:
    sandbox.mailbox(ADDRESS).pop_enabled = False
    assert client.log_in(ADDRESS) == REFUSED


@pytest.mark.parametrize("registered", ["the app registration's", None])
def test_a_service_principal_that_is_not_registered_right_is_refused_in_the_same_words(
    sandbox: Sandbox, client: RawClient, registered: str | None
) -> None:
    sandbox.exchange.service_principal = registered and sandbox.app.registration_id
    assert client.log_in(ADDRESS) == REFUSED
    sandbox.exchange.service_principal = sandbox.app.object_id
    client.ask(b"AUTH XOAUTH2")
    assert client.ask(credential(ADDRESS, sandbox.entra.tokens.mint())).startswith(b"+OK")


def test_a_person_needs_no_service_principal(sandbox: Sandbox, client: RawClient) -> None:
    sandbox.exchange.service_principal = None
    token = sandbox.entra.tokens.mint_for(ADDRESS, "object", lifetime=timedelta(hours=1))
    assert client.log_in(ADDRESS, token).startswith(b"+OK")


def test_a_password_opens_no_mailbox_without_pop3(sandbox: Sandbox, client: RawClient) -> None:
    mailbox = sandbox.mailbox(ADDRESS, "canary-password")
    mailbox.pop_enabled = False
    client.line()
    client.ask(f"USER {ADDRESS}".encode())
    assert client.ask(b"PASS canary-password").startswith(b"-ERR Logon failure")
