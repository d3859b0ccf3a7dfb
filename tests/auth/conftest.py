from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring.core
import pytest

from auth.hand_clock import HandClock
from auth.token_endpoint import SECRET, TENANT, TokenEndpoint
from mailsluice.auth.sources.entra import EntraTokens
from mailsluice.config.models import EntraCredential, Mailbox, SpoolSink
from mailsluice.net.https import ProviderHttp


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy") or name in {
            "CREDENTIALS_DIRECTORY",
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
        }:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", None)


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
def tokens(credential: EntraCredential, clock: HandClock) -> EntraTokens:
    return EntraTokens(credential, lambda: SECRET, clock)


@pytest.fixture
def mailbox() -> Callable[[str], Mailbox]:
    def make(credential: str) -> Mailbox:
        sink = SpoolSink(path=Path("/nowhere"))
        return Mailbox(name="m", address="a@b.example", credential=credential, host="pop.example", sink=sink)

    return make
