"""Which logins Dovecot takes, and what an administrator reads about those it does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from mailsluice_sandbox import Sandbox
from peers.account import Account, Polled
from peers.dovecot import Dovecot, PeerMailbox, Provider
from peers.tokens import new_key

MESSAGE = b"Subject: x\r\n\r\nx\r\n"
PASSWORD = 'kind = "password"\npassword = "{}"'


@pytest.fixture
def account(dovecot: Dovecot, peer: PeerMailbox, tmp_path: Path) -> Account:
    peer.deliver(MESSAGE)
    return Account(dovecot, peer, tmp_path)


def assert_nothing_was_done(account: Account, polled: Polled) -> None:
    """Nothing fetched, nothing deleted; and the log says the same as the report."""
    assert polled.report["stored"] == 0
    assert account.stored() == []
    assert account.peer.remaining() == [MESSAGE]
    logged = json.loads(polled.ended.stderr.splitlines()[-1])
    assert (logged["outcome"], logged["detail"]) == (polled.report["outcome"], polled.report["detail"])


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(lambda _: "no-token", id="no-token"),
        pytest.param(lambda server: server.token(expires_in=-1), id="expired"),
        pytest.param(lambda server: server.token(key=new_key()), id="another-key"),
        pytest.param(lambda server: server.token(iss="https://sts.test/other"), id="another-issuer"),
        pytest.param(lambda server: server.token("somebody@contoso.test"), id="delegated-by-another"),
    ],
)
def test_a_refused_token_is_reported_in_the_servers_words(
    dovecot: Dovecot, account: Account, token: Callable[[Dovecot], str]
) -> None:
    account.give_token(token(dovecot))
    polled = account.poll()
    assert polled.code == 77
    assert polled.report["outcome"] == "login-refused"
    detail = str(polled.report["detail"])
    assert account.peer.address in detail
    assert "[AUTH] Authentication failed." in detail  # what it answered
    assert "status 401" in detail  # the reason, from its challenge
    assert_nothing_was_done(account, polled)


def test_a_mailbox_is_polled_again_once_its_token_is_good(dovecot: Dovecot, account: Account) -> None:
    account.give_token("no-token")
    assert account.poll().code == 77
    account.give_token(dovecot.token())
    assert account.poll().code == 0
    assert account.stored() == [MESSAGE]


def test_a_delegated_token_opens_its_own_mailbox(dovecot: Dovecot, account: Account) -> None:
    account.give_token(dovecot.token(account.peer.address))
    assert account.poll().report["stored"] == 1


def test_a_token_of_many_kilobytes_is_taken(dovecot: Dovecot, account: Account) -> None:
    account.give_token(dovecot.token(roles=["POP.AccessAsApp"] * 100))
    assert account.poll().report["stored"] == 1


def test_a_password_opens_the_mailbox(dovecot: Dovecot, account: Account) -> None:
    account.configure(credential=PASSWORD.format(account.secret("password", dovecot.password)))
    assert account.poll().counts == {"listed": 1, "stored": 1, "deleted": 1, "waiting": 0}


def test_a_password_from_the_keyring_opens_the_mailbox(dovecot: Dovecot, account: Account) -> None:
    account.configure(credential=PASSWORD.format("keyring:old"))
    assert account.run("secret", "set", "old", stdin=dovecot.password).code == 0
    assert account.poll().report["stored"] == 1


def test_a_refused_password_is_reported_in_the_servers_words(account: Account) -> None:
    account.configure(credential=PASSWORD.format(account.secret("password", "canary-wrong")))
    polled = account.poll()
    assert polled.code == 77
    assert "[AUTH] Authentication failed." in str(polled.report["detail"])
    assert_nothing_was_done(account, polled)


def test_a_server_with_another_authoritys_certificate_gets_no_token(
    dovecot: Dovecot, account: Account
) -> None:
    other = account.folder / "other-ca.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    account.configure(ca_file=str(other))
    polled = account.poll()
    assert polled.code == 69
    assert polled.report["outcome"] == "server-untrusted"
    detail = str(polled.report["detail"])
    assert f"certificate of {dovecot.host}:{dovecot.port}" in detail
    assert "ca_file" in detail  # what to do
    assert account.logins() == 0
    assert_nothing_was_done(account, polled)


def test_a_server_that_is_not_there_is_named(account: Account) -> None:
    account.configure(port=1)
    polled = account.poll()
    assert polled.code == 69
    assert "localhost:1" in str(polled.report["detail"])
    assert_nothing_was_done(account, polled)


def test_a_token_asked_of_an_identity_provider_by_client_secret_opens_the_mailbox(
    tmp_path: Path, dovecot: Dovecot
) -> None:
    with Sandbox() as entra:
        provider = Provider(
            f"{entra.authority}/v2.0",
            entra.client_id,
            entra.entra.tokens.key_id,
            entra.entra.tokens.public_key_pem,
        )
        with Dovecot(provider) as server:
            account = Account(server, server.mailbox("rechnungen@contoso.test"), tmp_path)
            account.peer.deliver(MESSAGE)
            account.configure(
                credential='kind = "entra"\n'
                f'tenant_id = "{entra.tenant_id}"\n'
                f'client_id = "{entra.client_id}"\n'
                'client_secret = "keyring:app"\n'
                f'authority = "{entra.authority}"\n'
                f'ca_file = "{entra.ca_file}"'
            )
            assert account.run("secret", "set", "app", stdin=entra.client_secret).code == 0
            polled = account.poll()
    assert polled.report["detail"] == ""
    assert polled.counts == {"listed": 1, "stored": 1, "deleted": 1, "waiting": 0}
    assert account.stored() == [MESSAGE]
