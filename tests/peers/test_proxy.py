"""A real proxy before a real mail server and before the token endpoint: what it lets through, and what not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailsluice_sandbox import Sandbox
from peers.account import Account, Polled
from peers.dovecot import Dovecot, PeerMailbox, Provider
from peers.tinyproxy import FILTERED, PASSWORD, USER, Tinyproxy, why_missing
from support.skipping import skip_or_fail

MESSAGE = b"Subject: x\r\n\r\nx\r\n"


@pytest.fixture(autouse=True)
def _there() -> None:
    if missing := why_missing():
        skip_or_fail(missing)


@pytest.fixture
def account(dovecot: Dovecot, peer: PeerMailbox, tmp_path: Path) -> Account:
    peer.deliver(MESSAGE)
    return Account(dovecot, peer, tmp_path)


@pytest.fixture
def proxy(dovecot: Dovecot) -> Iterator[Tinyproxy]:
    with Tinyproxy([dovecot.port]) as proxy:
        yield proxy


def through(proxy: Tinyproxy, account: Account, password: str | None = PASSWORD) -> dict[str, Any]:
    if password is None:
        return {"proxy": f"http://{proxy.address}"}
    ref = account.secret("proxy-password", password)
    return {"proxy": f"http://{USER}@{proxy.address}", "proxy_password": ref}


def assert_refused(polled: Polled, words: str) -> None:
    assert (polled.code, polled.report["outcome"], polled.report["stored"]) == (77, "proxy-refused", 0)
    detail = str(polled.report["detail"])
    assert words in detail
    assert PASSWORD not in detail + polled.ended.stderr


def test_mail_comes_through_it_with_the_right_password(
    dovecot: Dovecot, account: Account, proxy: Tinyproxy
) -> None:
    account.configure(**through(proxy, account))
    assert account.poll().counts == {"listed": 1, "stored": 1, "deleted": 1, "waiting": 0}
    assert account.stored() == [MESSAGE]
    assert f"CONNECT {dovecot.host}:{dovecot.port} HTTP/1.1" in proxy.log()


def test_a_wrong_password_is_told_as_that(account: Account, proxy: Tinyproxy) -> None:
    account.configure(**through(proxy, account, f"{PASSWORD}-wrong"))
    assert_refused(account.poll(), "refused the user or the password (HTTP 401)")
    assert account.peer.remaining() == [MESSAGE]


def test_no_password_is_told_as_that(account: Account, proxy: Tinyproxy) -> None:
    account.configure(**through(proxy, account, None))
    assert_refused(account.poll(), "wants a user and a password (HTTP 407)")


def test_a_port_that_it_does_not_allow_is_told_with_what_to_ask_for(
    dovecot: Dovecot, account: Account
) -> None:
    with Tinyproxy([995]) as proxy:
        account.configure(**through(proxy, account))
        polled = account.poll()
    target = f"{dovecot.host}:{dovecot.port}"
    assert_refused(polled, f"does not allow {target} (HTTP 403)")
    assert f"allow CONNECT to {target} from this machine" in str(polled.report["detail"])


def test_a_host_that_it_filters_is_told_as_that(account: Account, proxy: Tinyproxy) -> None:
    account.configure(**through(proxy, account), host=FILTERED)
    assert_refused(account.poll(), f"does not allow {FILTERED}:")


def test_a_server_that_it_cannot_find_may_be_there_later(account: Account, proxy: Tinyproxy) -> None:
    account.configure(**through(proxy, account), host="nobody.invalid")
    polled = account.poll()
    assert (polled.code, polled.report["outcome"]) == (69, "server-unreachable")
    assert "cannot reach nobody.invalid:" in str(polled.report["detail"])


def test_a_password_that_is_renewed_on_both_sides_works_again(account: Account, proxy: Tinyproxy) -> None:
    account.configure(**through(proxy, account))
    assert account.poll().code == 0
    proxy.stop()
    polled = account.poll()
    assert (polled.code, polled.report["outcome"]) == (69, "server-unreachable")
    assert "service.proxy" not in str(polled.report["detail"])
    assert "(mailboxes.box.proxy) cannot be reached: Connection refused" in str(polled.report["detail"])
    proxy.start(password=f"{PASSWORD}-new")
    assert_refused(account.poll(), "refused the user or the password")
    account.secret("proxy-password", f"{PASSWORD}-new")
    assert account.poll().code == 0


def test_tokens_and_mail_come_through_it(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        issuer, tokens = f"{sandbox.authority}/v2.0", sandbox.entra.tokens
        provider = Provider(issuer, sandbox.client_id, tokens.key_id, tokens.public_key_pem)
        port = int(sandbox.authority.split(":")[2].split("/")[0])
        with Dovecot(provider) as server, Tinyproxy([port, server.port]) as proxy:
            account = Account(server, server.mailbox("rechnungen@contoso.test"), tmp_path)
            account.peer.deliver(MESSAGE)
            account.configure(
                credential='kind = "entra"\n'
                f'tenant_id = "{sandbox.tenant_id}"\n'
                f'client_id = "{sandbox.client_id}"\n'
                f'client_secret = "{account.secret("app", sandbox.client_secret)}"\n'
                f'authority = "{sandbox.authority}"\n'
                f'ca_file = "{sandbox.ca_file}"'
            )
            for_service(account, proxy, f"{PASSWORD}-wrong")
            polled = account.poll()
            assert_refused(polled, f"no token from {sandbox.authority}: the proxy http://{proxy.address}")
            for_service(account, proxy, PASSWORD)
            assert account.poll().counts == {"listed": 1, "stored": 1, "deleted": 1, "waiting": 0}
            assert f"CONNECT localhost:{port} HTTP/1.1" in proxy.log()
            assert f"CONNECT localhost:{server.port} HTTP/1.1" in proxy.log()


def for_service(account: Account, proxy: Tinyproxy, password: str) -> None:
    """Make it the service's proxy."""
    ref = account.secret("proxy-password", password)
    lines = f'proxy = "http://{USER}@{proxy.address}"\nproxy_password = "{ref}"\n'
    text = account.config.read_text().replace(lines, "")
    account.config.write_text(text.replace("[service]\n", f"[service]\n{lines}"))
