"""The way to the identity provider: what is trusted on it, and what of the environment is heeded."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from auth.hand_clock import HandClock
from auth.sources.asking import secret_source
from auth.token_endpoint import SECRET, Answer, TokenEndpoint
from mailsluice.auth.sources.entra import EntraSource
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import TokenUnavailable
from mailsluice.net.https import ProviderHttp


def test_never_follows_a_redirect_with_the_secret(endpoint: TokenEndpoint, source: EntraSource) -> None:
    target = f"{endpoint.address}/elsewhere"
    endpoint.answer = lambda _: (307, {"Location": target}, b"{}")
    with pytest.raises(TokenUnavailable, match="HTTP 307"):
        source.ask()
    assert "/elsewhere" not in endpoint.paths


def test_gives_up_a_provider_that_stays_silent(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock
) -> None:
    gone = threading.Event()

    def silent(form: dict[str, str]) -> Answer:
        gone.wait(10)
        return endpoint.token(form)

    endpoint.answer = silent
    source = secret_source(
        credential, lambda: SECRET, clock, lambda: ProviderHttp(endpoint.ca_file, clock, 0.3)
    )
    try:
        with pytest.raises(TokenUnavailable, match="did not answer in time"):
            source.ask()
    finally:
        gone.set()


def test_says_what_the_operating_system_said_about_a_provider_that_cannot_be_reached(
    credential: EntraCredential, clock: HandClock
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        authority = f"https://127.0.0.1:{unused.getsockname()[1]}/contoso"
        source = secret_source(credential.model_copy(update={"authority": authority}), lambda: SECRET, clock)
        with pytest.raises(TokenUnavailable, match="Connection refused") as caught:
            source.ask()
    assert caught.value.remedy


def test_a_certificate_of_an_unknown_authority_is_not_accepted(
    credential: EntraCredential, clock: HandClock
) -> None:
    source = secret_source(credential.model_copy(update={"ca_file": None}), lambda: SECRET, clock)
    with pytest.raises(TokenUnavailable, match="certificate was not accepted"):
        source.ask()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_ca_file_that_cannot_be_used_is_named(
    credential: EntraCredential, clock: HandClock, tmp_path: Path, content: bytes | None
) -> None:
    useless = tmp_path / "useless.pem"
    if content is not None:
        useless.write_bytes(content)
    source = secret_source(credential.model_copy(update={"ca_file": useless}), lambda: SECRET, clock)
    with pytest.raises(TokenUnavailable, match=r"useless\.pem cannot be used: "):
        source.ask()


def test_ca_bundles_of_the_environment_do_not_win(
    endpoint: TokenEndpoint,
    credential: EntraCredential,
    clock: HandClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(endpoint.ca_file))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(endpoint.ca_file))
    source = secret_source(credential.model_copy(update={"ca_file": None}), lambda: SECRET, clock)
    with pytest.raises(TokenUnavailable, match="certificate was not accepted"):
        source.ask()


def test_a_region_in_the_environment_does_not_choose_the_endpoint(
    endpoint: TokenEndpoint, source: EntraSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSAL_FORCE_REGION", "westus")
    assert source.ask().value == "canary-token-1"


def test_the_system_store_is_trusted_where_no_ca_file_is_given(
    endpoint: TokenEndpoint,
    credential: EntraCredential,
    clock: HandClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(endpoint.ca_file))
    source = secret_source(credential.model_copy(update={"ca_file": None}), lambda: SECRET, clock)
    assert source.ask().value == "canary-token-1"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY"])
def test_no_proxy_of_the_environment_is_used(
    source: EntraSource, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert source.ask().value == "canary-token-1"


def test_no_netrc_is_read(
    endpoint: TokenEndpoint, source: EntraSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login ann password canary-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    source.ask()
    assert endpoint.headers
    assert not [headers for headers in endpoint.headers if "authorization" in headers]
