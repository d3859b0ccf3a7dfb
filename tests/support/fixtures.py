"""Fixtures that the tests of several packages share: each conftest imports those that it needs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

import pop3.scripted
from auth.hand_clock import HandClock
from auth.sources.asking import secret_source
from auth.token_endpoint import SECRET, TENANT, TokenEndpoint
from mailsluice.auth.sources.entra import EntraSource
from mailsluice.config.credentials import EntraCredential
from mailsluice.net.connections import Connections
from mailsluice.net.https import ProviderHttp
from support.firewall import firewall

_TRUST = {"CREDENTIALS_DIRECTORY", "SSL_CERT_FILE", "SSL_CERT_DIR"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy") or name in _TRUST:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def connections() -> Connections:
    return Connections()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[TokenEndpoint]:
    endpoint = TokenEndpoint(tmp_path)
    yield endpoint
    endpoint.close()


@pytest.fixture
def http(endpoint: TokenEndpoint, clock: HandClock) -> Iterator[ProviderHttp]:
    http = ProviderHttp(endpoint.ca_file, clock)
    yield http
    http.close()


@pytest.fixture
def credential(endpoint: TokenEndpoint) -> EntraCredential:
    return EntraCredential.model_validate(
        {
            "tenant_id": TENANT,
            "client_id": "app",
            "client_secret": "keyring:acme",
            "authority": endpoint.authority,
            "ca_file": str(endpoint.ca_file),
        }
    )


@pytest.fixture
def source(credential: EntraCredential, clock: HandClock) -> EntraSource:
    return secret_source(credential, lambda: SECRET, clock)


@pytest.fixture
def behind_a_firewall() -> Iterator[None]:
    with firewall():
        yield


@pytest.fixture
def hand_clock() -> pop3.scripted.HandClock:
    return pop3.scripted.HandClock()
