"""What an error says as data about the provider: what stood in the way, its words, and its clock."""

from __future__ import annotations

import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BufferedIOBase
from pathlib import Path

import pytest
import trustme

from auth.hand_clock import HandClock
from auth.sources.asking import secret_source
from auth.token_endpoint import SECRET, Answer, TokenEndpoint, as_json
from mailsluice.auth.sources.entra import EntraSource
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import Obstacle, TokenBarred, TokenError, TokenRefused, TokenUnavailable
from mailsluice.net.https import ProviderHttp
from mailsluice.net.proxy import Proxy
from pop3.scripted import HOST, Script, ScriptedServer, Wire
from support.connect_proxy import ConnectProxy, refusing


@pytest.fixture
def failure(credential: EntraCredential, clock: HandClock) -> Callable[[str, int], TokenError]:
    """The error of a request to this host and port."""

    def ask(host: str, port: int) -> TokenError:
        there = credential.model_copy(update={"authority": f"https://{host}:{port}/contoso"})
        source = secret_source(
            there, lambda: SECRET, clock, lambda: ProviderHttp(credential.ca_file, clock, 0.3)
        )
        with pytest.raises(TokenError) as caught:
            source.ask()
        return caught.value

    return ask


Failure = Callable[[str, int], TokenError]


def test_a_name_without_an_address(failure: Failure, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert failure("login.invalid", 443).obstacle is Obstacle.NAME


def test_a_name_that_dns_cannot_have(failure: Failure) -> None:
    error = failure("x" * 64 + ".example", 443)
    assert error.obstacle is Obstacle.NAME
    assert "it cannot be reached: there can be no such name in DNS" in str(error)


def test_a_port_where_nobody_listens(failure: Failure) -> None:
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        assert failure(HOST, unused.getsockname()[1]).obstacle is Obstacle.REFUSED


def silent(wire: Wire) -> None:
    wire.until_closed()


def plain(wire: Wire) -> None:
    wire.send(b"HTTP/1.1 400 This is not TLS\r\n\r\n")
    wire.until_closed()


def hang_up(wire: Wire) -> None:
    wire.octet()
    wire.reset()


@pytest.mark.parametrize(
    ("script", "obstacle"),
    [(silent, Obstacle.SILENT), (plain, Obstacle.NO_TLS), (hang_up, Obstacle.HANDSHAKE)],
)
def test_a_handshake_that_comes_to_nothing(failure: Failure, script: Script, obstacle: Obstacle) -> None:
    with ScriptedServer(script, None) as server:
        assert failure(HOST, server.port).obstacle is obstacle


def certified(name: str = HOST, **validity: datetime) -> Callable[[trustme.CA], ssl.SSLContext]:
    def certify(authority: trustme.CA) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name, **validity).configure_cert(context)  # type: ignore[arg-type]
        return context

    return certify


def old(authority: trustme.CA) -> ssl.SSLContext:
    context = certified()(authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def by_somebody_else(_: trustme.CA) -> ssl.SSLContext:
    return certified()(trustme.CA())


NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("certify", "obstacle"),
    [
        (by_somebody_else, Obstacle.UNTRUSTED),
        (certified("login.example"), Obstacle.OTHER_NAME),
        (certified(not_after=NOW - DAY), Obstacle.EXPIRED),
        (certified(not_before=NOW + DAY, not_after=NOW + 2 * DAY), Obstacle.NOT_YET_VALID),
        (old, Obstacle.OLD_TLS),
    ],
    ids=["somebody else's", "another name", "expired", "not yet valid", "old"],
)
def test_a_handshake_that_is_not_accepted(
    tmp_path: Path, clock: HandClock, certify: Callable[[trustme.CA], ssl.SSLContext], obstacle: Obstacle
) -> None:
    with serving(tmp_path, certify) as (endpoint, source), pytest.raises(TokenUnavailable) as caught:
        source.ask()
    assert caught.value.obstacle is obstacle
    assert not endpoint.paths


@contextmanager
def serving(
    directory: Path, certify: Callable[[trustme.CA], ssl.SSLContext]
) -> Iterator[tuple[TokenEndpoint, EntraSource]]:
    endpoint, clock = TokenEndpoint(directory, certify), HandClock()
    credential = EntraCredential.model_validate(
        {
            "tenant_id": "contoso",
            "client_id": "app",
            "client_secret": "keyring:acme",
            "authority": endpoint.authority,
            "ca_file": str(endpoint.ca_file),
        }
    )
    try:
        yield endpoint, secret_source(credential, lambda: SECRET, clock)
    finally:
        endpoint.close()


@pytest.mark.parametrize(("status", "kind"), [(403, TokenBarred), (503, TokenUnavailable)])
def test_a_proxy_that_makes_no_tunnel(
    credential: EntraCredential, clock: HandClock, status: int, kind: type[TokenError]
) -> None:
    with ConnectProxy(refusing(status)) as proxy:
        route = Proxy(HOST, proxy.port, "service.proxy", "")
        http = ProviderHttp(credential.ca_file, clock, find_route=lambda *_: route)
        source = secret_source(credential, lambda: SECRET, clock, lambda: http)
        with pytest.raises(kind) as caught:
            source.ask()
    assert caught.value.obstacle is Obstacle.PROXY


def test_silence_behind_the_handshake(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock
) -> None:
    gone = threading.Event()

    def wait(form: dict[str, str]) -> Answer:
        gone.wait(10)
        return endpoint.token(form)

    endpoint.answer = wait
    source = secret_source(
        credential, lambda: SECRET, clock, lambda: ProviderHttp(endpoint.ca_file, clock, 0.3)
    )
    try:
        with pytest.raises(TokenUnavailable) as caught:
            source.ask()
    finally:
        gone.set()
    assert caught.value.obstacle is Obstacle.SILENT


def test_an_answer_that_is_of_no_use_met_no_obstacle(endpoint: TokenEndpoint, source: EntraSource) -> None:
    endpoint.answer = lambda _: (200, {}, b"<html>sign in to this network</html>")
    with pytest.raises(TokenUnavailable) as caught:
        source.ask()
    assert caught.value.obstacle is None


@pytest.mark.parametrize("status", [429, 503])
def test_who_cannot_answer_now_has_said_why(
    endpoint: TokenEndpoint, source: EntraSource, status: int
) -> None:
    words = {"error": "x", "error_description": f"AADSTS90033: {SECRET}\x07 busy\r\nTrace ID: t"}
    endpoint.answer = lambda _: as_json(status, words)
    with pytest.raises(TokenUnavailable) as caught:
        source.ask()
    assert (caught.value.said, caught.value.obstacle) == ("AADSTS90033: [secret]? busy", None)


def test_an_error_that_passes_has_said_why(endpoint: TokenEndpoint, source: EntraSource) -> None:
    words = {"error": "temporarily_unavailable", "error_description": "AADSTS90033: busy"}
    endpoint.answer = lambda _: as_json(400, words)
    with pytest.raises(TokenUnavailable) as caught:
        source.ask()
    assert caught.value.said == "temporarily_unavailable: AADSTS90033: busy"


def refused(endpoint: TokenEndpoint, source: EntraSource, date: str) -> TokenRefused:
    words = {"error": "invalid_client", "error_description": f"AADSTS700024: {SECRET} not within its time"}
    endpoint.answer = lambda _: as_json(401, words)

    def write(wire: BufferedIOBase, octets: bytes) -> None:
        wire.write(dated(octets, date))

    endpoint.write = write
    with pytest.raises(TokenRefused) as caught:
        source.ask()
    return caught.value


def dated(octets: bytes, date: str) -> bytes:
    """The head of an answer with this date in the place of its own; what else there is is unchanged."""
    head, found, rest = octets.partition(b"\r\nDate: ")
    return head + found + date.encode() + rest[rest.index(b"\r\n") :] if found else octets


def test_a_refusal_has_the_providers_words_without_the_secret(
    endpoint: TokenEndpoint, source: EntraSource
) -> None:
    said = refused(endpoint, source, "Thu, 01 Jan 2026 00:16:40 GMT").said
    assert said == "invalid_client: AADSTS700024: [secret] not within its time"


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Thu, 01 Jan 2026 00:16:40 GMT", 0),
        ("Thu, 01 Jan 2026 00:06:40 GMT", 600),
        ("Thu, 01 Jan 2026 00:26:40 GMT", -600),
        ("soon", None),
        ("Fri, 31 Dec 99999999 23:59:59 GMT", None),
    ],
)
def test_a_refusal_tells_by_how_much_our_clock_is_ahead(
    endpoint: TokenEndpoint, source: EntraSource, date: str, seconds: float | None
) -> None:
    assert refused(endpoint, source, date).clock_ahead == seconds


def test_a_refusal_at_discovery_tells_it_too(endpoint: TokenEndpoint, source: EntraSource) -> None:
    endpoint.configuration = lambda: as_json(
        400, {"error": "invalid_tenant", "error_description": "AADSTS90002"}
    )
    with pytest.raises(TokenRefused) as caught:
        source.ask()
    assert caught.value.said == "invalid_tenant: AADSTS90002"
    assert caught.value.clock_ahead is not None
