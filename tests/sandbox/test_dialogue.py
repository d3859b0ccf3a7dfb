from __future__ import annotations

import base64
import json
import poplib
import ssl
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from mailsluice_sandbox import Dialect, NotConnected, Sandbox
from sandbox.raw_client import ADDRESS, HandClock, RawClient, credential

REFUSED = b"-ERR Authentication failure: unknown user name or bad password.\r\n"
TOO_LONG = b"-ERR Protocol error. Connection is closed. 10\r\n"
NOT_CONNECTED = b"-ERR User is authenticated but not connected.\r\n"
WRONG_STATE = b"-ERR Command is not valid in this state.\r\n"


def test_greets_as_exchange_does(client: RawClient) -> None:
    head, _, tag = client.line().partition(b"[")
    assert head == b"+OK The Microsoft Exchange POP3 service is ready. "
    assert base64.b64decode(tag.removesuffix(b"]\r\n")).decode("utf-16-le").endswith(".sandbox.example")


def test_advertises_exactly_what_exchange_advertises(client: RawClient) -> None:
    client.line()
    client.send(b"CAPA\r\nNOOP\r\n")
    expected = b"+OK\r\nTOP\r\nUIDL\r\nSASL PLAIN XOAUTH2\r\nUSER\r\n.\r\n" + WRONG_STATE
    assert client.exactly(len(expected)) == expected


def test_advertises_pipelining_where_the_dialect_has_it() -> None:
    with Sandbox(dialect=Dialect(pipelining=True)) as sandbox, RawClient(sandbox) as client:
        client.line()
        assert b"PIPELINING\r\n" in client.ask_many(b"CAPA")


def test_a_token_logs_in_on_the_line_after_auth(client: RawClient) -> None:
    assert client.log_in(ADDRESS) == b"+OK User successfully authenticated.\r\n"


def test_the_address_is_compared_without_case(client: RawClient) -> None:
    assert client.log_in(ADDRESS.upper()).startswith(b"+OK")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://graph.microsoft.com"},
        {"aud": "https://outlook.office.com"},
        {"roles": ["IMAP.AccessAsApp"]},
        {"roles": None},
        {"appid": "another"},
        {"iss": "https://elsewhere.example/v2.0"},
        {"exp": None},
    ],
    ids=["audience", "audience-of-people", "role", "no-role", "app", "issuer", "no-expiry"],
)
def test_a_token_with_a_wrong_claim_is_refused(
    sandbox: Sandbox, client: RawClient, claims: dict[str, object]
) -> None:
    assert client.log_in(ADDRESS, sandbox.entra.tokens.mint(claims=claims)) == REFUSED


def test_an_expired_token_is_refused(sandbox: Sandbox, client: RawClient, clock: HandClock) -> None:
    token = sandbox.entra.tokens.mint(lifetime=timedelta(minutes=10))
    clock.advance(timedelta(minutes=10))
    assert client.log_in(ADDRESS, token) == REFUSED


def test_a_token_from_the_future_is_refused(sandbox: Sandbox, client: RawClient, clock: HandClock) -> None:
    token = sandbox.entra.tokens.mint()
    clock.advance(timedelta(minutes=-1))
    assert client.log_in(ADDRESS, token) == REFUSED


def test_a_token_signed_by_another_key_is_refused(sandbox: Sandbox, client: RawClient) -> None:
    forger = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    assert client.log_in(ADDRESS, sandbox.entra.tokens.mint(key=forger)) == REFUSED


def test_a_mailbox_that_is_not_there_is_refused_in_the_same_words(client: RawClient) -> None:
    assert client.log_in("nobody@acme.example") == REFUSED


def test_a_mailbox_the_app_has_no_access_to_is_refused_in_the_same_words(
    sandbox: Sandbox, client: RawClient
) -> None:
    sandbox.mailbox(ADDRESS).full_access = False
    assert client.log_in(ADDRESS) == REFUSED


def test_a_person_without_a_right_to_the_mailbox_is_authenticated_but_not_connected(
    sandbox: Sandbox, client: RawClient
) -> None:
    token = sandbox.entra.tokens.mint_for("ann@acme.example", "ann", lifetime=timedelta(hours=1))
    assert client.log_in(ADDRESS, token) == b"+OK User successfully authenticated.\r\n"
    assert client.ask_many(b"CAPA")
    assert client.ask(b"STAT") == NOT_CONNECTED
    assert client.ask(b"UIDL") == NOT_CONNECTED
    assert client.ask(b"QUIT").startswith(b"+OK")
    assert sandbox.mailbox(ADDRESS).sessions == ()


def test_any_session_can_be_authenticated_but_not_connected(sandbox: Sandbox, client: RawClient) -> None:
    sandbox.mailbox(ADDRESS).not_connected = NotConnected.SAYS
    assert client.log_in(ADDRESS).startswith(b"+OK")
    assert client.ask(b"STAT") == NOT_CONNECTED


def test_a_session_that_is_not_connected_can_just_end(sandbox: Sandbox, client: RawClient) -> None:
    sandbox.mailbox(ADDRESS).not_connected = NotConnected.HANGS_UP
    assert client.log_in(ADDRESS).startswith(b"+OK")
    client.send(b"STAT\r\n")
    assert client.rest() == b""


def test_a_credential_that_is_none_is_refused(client: RawClient) -> None:
    client.line()
    client.ask(b"AUTH XOAUTH2")
    assert client.ask(b"*") == REFUSED


def test_the_session_lives_on_after_a_refusal(client: RawClient) -> None:
    client.log_in("nobody@acme.example")
    assert client.ask(b"STAT") == WRONG_STATE
    assert client.ask(b"QUIT").startswith(b"+OK")


def test_a_refused_token_is_explained_first_where_the_dialect_has_it() -> None:
    with Sandbox(dialect=Dialect(error_challenge=True)) as sandbox, RawClient(sandbox) as client:
        challenge = client.log_in(ADDRESS)
        assert challenge.startswith(b"+ ")
        assert json.loads(base64.b64decode(challenge[2:]))["status"] == "401"
        assert client.ask(b"") == REFUSED


def test_a_token_on_the_line_of_auth_ends_the_connection(sandbox: Sandbox, client: RawClient) -> None:
    client.line()
    client.send(b"AUTH XOAUTH2 " + credential(ADDRESS, sandbox.entra.tokens.mint()) + b"\r\n")
    assert client.rest() == TOO_LONG


def test_a_short_initial_response_ends_the_connection_as_well(client: RawClient) -> None:
    client.line()
    client.send(b"AUTH XOAUTH2 dXNlcj0=\r\n")
    assert client.rest() == TOO_LONG


def test_a_command_of_512_octets_is_read(client: RawClient) -> None:
    client.line()
    assert client.ask(b"USER " + b"a" * 505).startswith(b"+OK")


def test_a_command_over_512_octets_ends_the_connection(client: RawClient) -> None:
    client.line()
    client.send(b"USER " + b"a" * 506 + b"\r\n")
    assert client.rest() == TOO_LONG


def test_octets_without_a_line_end_do_not_pile_up(client: RawClient) -> None:
    client.line()
    client.send(b"A" * 513)
    assert client.rest() == TOO_LONG


@pytest.mark.parametrize("command", [b"STAT", b"LIST", b"UIDL", b"RETR 1", b"DELE 1", b"NOOP", b"STLS"])
def test_transaction_commands_are_not_valid_before_login(client: RawClient, command: bytes) -> None:
    client.line()
    assert client.ask(command) == WRONG_STATE


@pytest.mark.parametrize("command", [b"AUTH XOAUTH2", b"USER a", b"PASS b", b"STLS"])
def test_login_commands_are_not_valid_after_login(session: RawClient, command: bytes) -> None:
    assert session.ask(command) == WRONG_STATE


def test_what_is_no_pop3_command_is_a_protocol_error(client: RawClient) -> None:
    client.line()
    assert client.ask(b"a001 LOGIN user word") == b"-ERR Protocol error. 19\r\n"


def test_an_unknown_mechanism_is_refused(client: RawClient) -> None:
    client.line()
    assert client.ask(b"AUTH OAUTHBEARER") == b"-ERR Unrecognized authentication type.\r\n"


def test_commands_are_read_in_either_case(session: RawClient) -> None:
    assert session.ask(b"stat") == b"+OK 0 0\r\n"


def test_commands_sent_ahead_are_answered_in_order(sandbox: Sandbox, session: RawClient) -> None:
    session.send(b"STAT\r\nNOOP\r\nRETR 1\r\nQUIT\r\n")
    answers = session.rest().splitlines()
    assert [answer.split()[0] for answer in answers] == [b"+OK", b"+OK", b"-ERR", b"+OK"]


def test_quit_ends_the_connection_in_order(session: RawClient) -> None:
    session.send(b"QUIT\r\n")
    assert session.rest() == b"+OK Microsoft Exchange Server POP3 server signing off.\r\n"


def test_a_password_opens_a_mailbox_that_has_one(sandbox: Sandbox) -> None:
    sandbox.mailbox("old@acme.example", "canary-word").deliver(b"Subject: x\r\n\r\nbody\r\n")
    context = ssl.create_default_context(cafile=str(sandbox.ca_file))
    client = poplib.POP3_SSL("localhost", sandbox.pop3_port, context=context, timeout=10)
    client.user("old@acme.example")
    client.pass_("canary-word")
    assert client.retr(1)[1] == [b"Subject: x", b"", b"body"]
    client.quit()


def test_a_password_opens_a_mailbox_by_auth_plain(sandbox: Sandbox, client: RawClient) -> None:
    sandbox.mailbox(ADDRESS, "canary-word")
    client.line()
    client.ask(b"AUTH PLAIN")
    assert client.ask(base64.b64encode(f"\0{ADDRESS}\0canary-word".encode())).startswith(b"+OK")


@pytest.mark.parametrize("address", [ADDRESS, "nobody@acme.example"], ids=["no-password", "no-mailbox"])
def test_a_wrong_password_is_refused_in_the_words_for_passwords(client: RawClient, address: str) -> None:
    client.line()
    client.ask(f"USER {address}".encode())
    assert client.ask(b"PASS None") == b"-ERR Logon failure: unknown user name or bad password.\r\n"
