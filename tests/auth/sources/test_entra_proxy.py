"""Tokens through a proxy: asked on the same way as mail, and refused in the same words."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from auth.sources.asking import secret_source
from auth.token_endpoint import SECRET, TokenEndpoint, certified
from mailsluice.auth.sources.entra import EntraSource
from mailsluice.clock import SystemClock
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import (
    MailsluiceError,
    SecretError,
    ServerError,
    TokenBarred,
    TokenError,
    TokenUnavailable,
)
from mailsluice.net.connection import Connection
from mailsluice.net.connections import Connections
from mailsluice.net.endpoint import Endpoint
from mailsluice.net.https import ProviderHttp
from mailsluice.net.proxy import Barred, Direct, Proxy, Route
from mailsluice.pop3.deadlines import Deadlines
from support.black_hole import black_hole
from support.connect_proxy import (
    Behaviour,
    ConnectProxy,
    demanding,
    refusing,
    saying,
    silent,
    silent_in_the_tunnel,
    tunnel,
)
from support.secrecy import CANARY

PASSWORD = f"{CANARY}-of-the-proxy"


@pytest.fixture
def proxy() -> Iterator[ConnectProxy]:
    with ConnectProxy() as proxy:
        yield proxy


def through(proxy: ConnectProxy, password: Callable[[], str] | None = None) -> Proxy:
    user = "ann" if password else ""
    return Proxy("127.0.0.1", proxy.port, "service.proxy", "give it another password", user, password)


def source_by(credential: EntraCredential, route: Route, deadline: float = 20) -> EntraSource:
    clock = SystemClock()
    http = lambda: ProviderHttp(credential.ca_file, clock, deadline, lambda *_: route)  # noqa: E731
    return secret_source(credential, lambda: SECRET, clock, http)


def test_a_token_comes_through_the_proxy_and_the_proxy_sees_none_of_it(
    endpoint: TokenEndpoint, credential: EntraCredential, proxy: ConnectProxy
) -> None:
    assert source_by(credential, through(proxy)).ask().value == "canary-token-1"
    at = endpoint.address.removeprefix("https://").encode()
    assert set(proxy.requests) == {b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (at, at)}
    assert not [name for headers in endpoint.headers for name in headers if "proxy" in name]


def test_a_password_that_is_renewed_counts_for_the_next_token(
    endpoint: TokenEndpoint, credential: EntraCredential, proxy: ConnectProxy
) -> None:
    right, ours = f"{PASSWORD}-1", f"{PASSWORD}-1"
    proxy.behave = demanding("ann", lambda: right)
    source = source_by(credential, through(proxy, lambda: ours))
    assert source.ask().value == "canary-token-1"
    right = f"{PASSWORD}-2"
    with pytest.raises(TokenBarred, match=r"refused the user or the password \(HTTP 407\)"):
        source.ask()
    ours = right
    assert source.ask().value == "canary-token-2"


def test_a_password_that_cannot_be_read_is_told_as_that(
    endpoint: TokenEndpoint, credential: EntraCredential, proxy: ConnectProxy
) -> None:
    def unreadable() -> str:
        raise SecretError("keyring:proxy: the keyring has no secret of that name")

    with pytest.raises(SecretError, match="keyring:proxy"):
        source_by(credential, through(proxy, unreadable)).ask()
    assert proxy.requests == []


def test_a_certificate_is_that_of_the_provider(tmp_path: Path, credential: EntraCredential) -> None:
    (tmp_path / "other").mkdir()
    interceptor = TokenEndpoint(tmp_path / "other")

    def into_its_own_hands(wire: socket.socket, request: bytes) -> None:
        tunnel(wire, b"CONNECT " + interceptor.address.removeprefix("https://").encode() + b" HTTP/1.1")

    try:
        with (
            ConnectProxy(into_its_own_hands) as proxy,
            pytest.raises(TokenUnavailable, match="its certificate was not accepted"),
        ):
            source_by(credential, through(proxy)).ask()
        assert interceptor.forms == []
    finally:
        interceptor.close()


def test_the_name_in_the_certificate_is_that_of_the_provider(
    tmp_path: Path, credential: EntraCredential
) -> None:
    def certify(authority: trustme.CA) -> object:
        return certified(authority)  # for 127.0.0.1, wherever the proxy says that this is

    endpoint = TokenEndpoint(tmp_path, certify)  # type: ignore[arg-type]
    named = credential.model_copy(
        update={
            "authority": endpoint.authority.replace("127.0.0.1", "login.acme.example"),
            "ca_file": endpoint.ca_file,
        }
    )

    def there(wire: socket.socket, request: bytes) -> None:
        tunnel(wire, request.replace(b"login.acme.example", b"127.0.0.1"))

    try:
        with (
            ConnectProxy(there) as proxy,
            pytest.raises(TokenUnavailable, match="certificate was not accepted: Hostname mismatch"),
        ):
            source_by(named, through(proxy)).ask()
    finally:
        endpoint.close()


@pytest.mark.parametrize(
    ("behave", "barred"),
    [
        (refusing(407, "Proxy-Authenticate: Basic realm=x"), True),
        (refusing(407, "Proxy-Authenticate: Negotiate"), True),
        (refusing(403), True),
        (refusing(405), True),
        (saying(b"220 mail.acme.example ESMTP\r\n"), True),
        (refusing(503), False),
        (saying(b""), False),
        (silent, False),
    ],
    ids=["407", "Negotiate", "403", "405", "smtp", "503", "closes", "silent"],
)
@pytest.mark.parametrize("with_password", [True, False])
def test_the_same_cause_has_the_same_words_for_mail_and_for_tokens(
    credential: EntraCredential, behave: Behaviour, barred: bool, with_password: bool
) -> None:
    with ConnectProxy(behave) as proxy:
        route = through(proxy, (lambda: PASSWORD) if with_password else None)
        of_mail, of_token = words_of_mail(credential, route), words_of_token(credential, route)
    print(of_mail, of_token)
    assert of_mail == of_token
    assert PASSWORD not in of_token[0] + of_token[1]
    assert ("proxy-refused" in of_token) == barred


def split(error: MailsluiceError, before: str) -> tuple[str, str, str]:
    outcome = error.outcome.value
    passing = "passing" if outcome in {"server-unreachable", "token-unavailable"} else outcome
    return str(error).removeprefix(before), error.remedy, passing


def words_of_mail(credential: EntraCredential, route: Route) -> tuple[str, str, str]:
    host, port = host_and_port(credential)
    with pytest.raises(ServerError) as caught:
        Connection.open(
            Endpoint(host, port, credential.ca_file, route=route),
            clock=SystemClock(),
            deadlines=Deadlines(connect=1),
            connections=Connections(),
        )
    return split(caught.value, f"cannot connect to {host}:{port}: ")


def words_of_token(credential: EntraCredential, route: Route) -> tuple[str, str, str]:
    with pytest.raises(TokenError) as caught:
        source_by(credential, route, 1).ask()
    return split(caught.value, f"no token from {credential.authority}: ")


def host_and_port(credential: EntraCredential) -> tuple[str, int]:
    host, _, port = credential.authority.removeprefix("https://").partition("/")[0].partition(":")
    return host, int(port)


def test_a_proxy_that_hangs_behind_its_answer_ends_at_the_deadline(
    credential: EntraCredential, proxy: ConnectProxy
) -> None:
    proxy.behave = silent_in_the_tunnel
    clock = SystemClock()
    begun = clock.monotonic()
    with pytest.raises(TokenUnavailable, match="it did not answer in time"):
        source_by(credential, through(proxy), 1).ask()
    assert clock.monotonic() - begun < 5


def test_a_dead_address_of_the_proxy_costs_a_fraction_of_a_second(
    credential: EntraCredential, proxy: ConnectProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, port = host_and_port(credential)
    proxy.behave = lambda wire, _: tunnel(wire, f"CONNECT {host}:{port} HTTP/1.1".encode())
    real = socket.getaddrinfo
    with black_hole() as dead:
        first = (socket.AF_INET, socket.SOCK_STREAM, 6, "", dead)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [first, *real(*a, **k)])
        begun = SystemClock().monotonic()
        assert source_by(credential, through(proxy)).ask().value == "canary-token-1"
    assert SystemClock().monotonic() - begun < 5


def test_a_variable_that_makes_no_sense_is_told_as_that(credential: EntraCredential) -> None:
    with pytest.raises(TokenBarred, match="ALL_PROXY is a SOCKS proxy") as caught:
        source_by(credential, Barred("ALL_PROXY is a SOCKS proxy", "write another")).ask()
    assert (caught.value.remedy, caught.value.exit_code) == ("write another", 77)


def test_where_no_proxy_is_used_an_unreachable_provider_says_that_there_may_be_one(
    credential: EntraCredential,
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        authority = f"https://127.0.0.1:{unused.getsockname()[1]}/contoso"
        nobody = credential.model_copy(update={"authority": authority})
        with pytest.raises(TokenUnavailable, match="Connection refused") as caught:
            source_by(nobody, Direct("HTTPS_PROXY is set")).ask()
    assert caught.value.remedy.endswith("; HTTPS_PROXY is set")
