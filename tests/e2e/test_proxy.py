"""A proxy between the program and every server, as in an office."""

from __future__ import annotations

import json
import selectors
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.conftest import Site
from mailsluice_sandbox import Sandbox, mail
from support.connect_proxy import ConnectProxy, demanding, refusing, target_of, tunnel
from support.program import Ended, run_program
from support.secrecy import CANARY

PASSWORD = f"{CANARY}-of-the-proxy"


@pytest.fixture
def proxy() -> Iterator[ConnectProxy]:
    with ConnectProxy() as proxy:
        yield proxy


@pytest.fixture
def office(site: Site, sandbox: Sandbox) -> Site:
    """A site with one mailbox, in which one message waits."""
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    site.configure("a")
    return site


def say(site: Site, *lines: str, section: str = "[service]") -> None:
    """Put these lines into a section of the configuration."""
    text = site.config.read_text()
    site.config.write_text(text.replace(section, "\n".join([section, *lines])))


def poll(site: Site, *arguments: str, **environment: str) -> Ended:
    return run_program("-c", site.config, "poll", "--json", *arguments, environment=environment)


def outcome(ended: Ended) -> tuple[int, str, str]:
    (report,) = json.loads(ended.stdout)
    return ended.code, report["outcome"], report["detail"]


def asked_for(proxy: ConnectProxy) -> set[int]:
    return {target_of(request)[1] for request in proxy.requests}


def ports(sandbox: Sandbox) -> set[int]:
    return {int(sandbox.authority.split(":")[2].split("/")[0]), sandbox.pop3_port}


def test_tokens_and_mail_come_through_it(office: Site, sandbox: Sandbox, proxy: ConnectProxy) -> None:
    say(office, f'proxy = "{proxy.url}"')
    assert poll(office).code == 0
    assert office.stored("a") == [mail.note(1)]
    assert asked_for(proxy) == ports(sandbox)


def test_a_dry_run_goes_the_same_way(office: Site, sandbox: Sandbox, proxy: ConnectProxy) -> None:
    say(office, f'proxy = "{proxy.url}"')
    assert run_program("-c", office.config, "poll", "--dry-run").code == 0
    assert asked_for(proxy) == ports(sandbox)


def test_a_mailbox_on_a_server_that_the_proxy_does_not_know_goes_without_it(
    office: Site, sandbox: Sandbox, proxy: ConnectProxy
) -> None:
    say(office, f'proxy = "{proxy.url}"')
    proxy.behave = lambda wire, request: (
        refusing(503)(wire, request) if target_of(request)[1] == sandbox.pop3_port else tunnel(wire, request)
    )
    code, word, detail = outcome(poll(office))
    assert (code, word) == (69, "server-unreachable")
    assert f"the proxy {proxy.url} (service.proxy) cannot reach localhost:{sandbox.pop3_port} now" in detail
    assert 'write `proxy = "none"` in the mailbox' in detail
    say(office, 'proxy = "none"', section="[mailboxes.a]")
    assert poll(office).code == 0


def test_a_mailbox_may_have_a_proxy_of_its_own(office: Site, sandbox: Sandbox, proxy: ConnectProxy) -> None:
    say(office, f'proxy = "{proxy.url}"', section="[mailboxes.a]")
    assert poll(office).code == 0
    assert asked_for(proxy) == {sandbox.pop3_port}


def test_a_proxy_that_wants_a_password_says_how_to_give_it_one_and_that_works(
    office: Site, proxy: ConnectProxy
) -> None:
    proxy.behave = demanding("ann", lambda: PASSWORD)
    say(office, f'proxy = "{proxy.url}"')
    code, word, detail = outcome(poll(office))
    assert (code, word) == (77, "proxy-refused")
    assert "wants a user and a password (HTTP 407)" in detail
    assert (
        'write USER@ before the host in service.proxy, and beside it proxy_password = "keyring:proxy"'
        in detail
    )
    assert f"mailsluice -c {office.config} secret set proxy" in detail

    text = office.config.read_text().replace("http://127.0.0.1", "http://ann@127.0.0.1")
    office.config.write_text(text.replace("[service]", '[service]\nproxy_password = "keyring:proxy"'))
    assert run_program("-c", office.config, "secret", "set", "proxy", stdin=PASSWORD).code == 0
    assert poll(office).code == 0


def test_a_password_that_was_renewed_at_the_proxy_is_told_and_a_new_one_counts_at_once(
    office: Site, proxy: ConnectProxy
) -> None:
    right = f"{PASSWORD}-1"
    proxy.behave = demanding("ann", lambda: right)
    say(
        office, f'proxy = "{proxy.url.replace("http://", "http://ann@")}"', 'proxy_password = "keyring:proxy"'
    )
    assert run_program("-c", office.config, "secret", "set", "proxy", stdin=right).code == 0
    assert poll(office).code == 0
    right = f"{PASSWORD}-2"
    code, word, detail = outcome(poll(office))
    assert (code, word) == (77, "proxy-refused")
    assert f"mailsluice -c {office.config} secret set proxy" in detail
    assert run_program("-c", office.config, "secret", "set", "proxy", stdin=right).code == 0
    assert poll(office).code == 0


def test_a_proxy_that_is_restarted_in_a_session_costs_no_message_and_doubles_none(
    office: Site, sandbox: Sandbox, proxy: ConnectProxy
) -> None:
    box = sandbox.mailbox("a@acme.example")
    expected = [mail.note(1)]
    for number in range(2, 40):
        box.deliver(mail.note(number))
        expected.append(mail.note(number))

    def cut(wire: socket.socket, request: bytes) -> None:
        if target_of(request)[1] != sandbox.pop3_port:
            tunnel(wire, request)
            return
        with socket.socket() as server:
            server.connect(target_of(request))
            wire.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            hand_on(wire, server, 12_000)

    proxy.behave = cut
    say(office, f'proxy = "{proxy.url}"')
    code, word, detail = outcome(poll(office))
    assert (code, word) == (75, "connection-lost")
    assert f"(through the proxy {proxy.url} (service.proxy))" in detail
    proxy.behave = tunnel
    assert poll(office).code == 0
    assert sorted(office.stored("a")) == sorted(expected)
    assert not box.remaining()


def hand_on(wire: socket.socket, server: socket.socket, octets: int) -> None:
    """Hand on both ways, until so many octets came from the server."""
    with selectors.DefaultSelector() as selector:
        selector.register(wire, selectors.EVENT_READ, server)
        selector.register(server, selectors.EVENT_READ, wire)
        while octets > 0:
            for key, _ in selector.select():
                piece = key.fileobj.recv(1000)  # type: ignore[union-attr]
                if not piece:
                    return
                key.data.sendall(piece)
                octets -= len(piece) if key.fileobj is server else 0


def test_the_environments_proxy_is_used_only_where_the_configuration_says_so(
    office: Site, sandbox: Sandbox, proxy: ConnectProxy
) -> None:
    assert poll(office, HTTPS_PROXY=proxy.url, ALL_PROXY=proxy.url).code == 0
    assert proxy.requests == []
    say(office, 'proxy = "environment"')
    assert poll(office, HTTPS_PROXY=proxy.url, NO_PROXY="localhost").code == 0
    assert proxy.requests == []
    shutil.rmtree(office.folder / "state" / "tokens")  # so that a token is asked for
    assert poll(office, HTTPS_PROXY=proxy.url).code == 0
    assert asked_for(proxy) == ports(sandbox)


def test_a_server_that_cannot_be_reached_says_that_a_proxy_is_set_and_not_used(
    site: Site, sandbox: Sandbox, proxy: ConnectProxy
) -> None:
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    site.configure("a", port="1")
    hint = 'HTTPS_PROXY is set, but used only with `proxy = "environment"` in [service]'
    code, _, detail = outcome(poll(site, HTTPS_PROXY=proxy.url))
    assert (code, hint in detail) == (69, True)
    text = site.config.read_text()
    site.config.write_text(text.replace(sandbox.authority, "https://localhost:1/contoso"))
    code, _, detail = outcome(poll(site, HTTPS_PROXY=proxy.url))
    assert (code, hint in detail) == (75, True)
    say(site, 'proxy = "environment"')
    assert hint not in outcome(poll(site, HTTPS_PROXY=proxy.url))[2]


def test_a_variable_that_cannot_be_obeyed_is_told(office: Site) -> None:
    say(office, 'proxy = "environment"')
    code, word, detail = outcome(poll(office, ALL_PROXY=f"socks5://ann:{PASSWORD}@localhost:1080"))
    assert (code, word) == (77, "proxy-refused")
    assert "ALL_PROXY in the environment is a SOCKS proxy, which mailsluice cannot use" in detail
    assert PASSWORD not in detail


def test_nothing_else_of_the_environment_changes_anything(office: Site, tmp_path: Path) -> None:
    keys, nobody = tmp_path / "keys", tmp_path / "nobody.pem"
    nobody.write_text("no certificate")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login ann password canary-netrc\n")
    netrc.chmod(0o600)
    ended = poll(
        office,
        REQUESTS_CA_BUNDLE=str(nobody),
        CURL_CA_BUNDLE=str(nobody),
        SSLKEYLOGFILE=str(keys),
        MSAL_FORCE_REGION="westus",
        REGION_NAME="westus",
        NETRC=str(netrc),
    )
    assert ended.code == 0
    assert not keys.exists()


def test_authorities_of_the_environment_are_trusted_and_that_is_said_once(
    office: Site, sandbox: Sandbox
) -> None:
    text = office.config.read_text().replace(f'ca_file = "{sandbox.ca_file}"\n', "")
    office.config.write_text(text)
    assert "ca_file" not in text
    assert poll(office).code != 0
    ended = poll(office, SSL_CERT_FILE=str(sandbox.ca_file))
    assert ended.code == 0
    warnings = [line for line in ended.stderr.splitlines() if "SSL_CERT_FILE" in line]
    assert [json.loads(line)["level"] for line in warnings] == ["warning"]
    assert str(sandbox.ca_file) in warnings[0]
