"""The ways in: which source gives the tokens of a credential of kind `entra`.

Owns the choice. Must never ask for a token. Whoever imports this imports msal and requests, which take time
and memory: so it is imported when a token is needed that nobody has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mailsluice.auth.secrets import Secrets
from mailsluice.auth.sources.client import by_secret
from mailsluice.auth.sources.entra import EntraSource
from mailsluice.auth.sources.source import TokenSource
from mailsluice.clock import Clock
from mailsluice.config.credentials import EntraCredential, Way
from mailsluice.errors import ConfigurationError
from mailsluice.net.https import ProviderHttp


@dataclass(frozen=True, slots=True)
class Means:
    """What sources are made with."""

    secrets: Secrets
    clock: Clock


def entra_source(name: str, credential: EntraCredential, means: Means) -> TokenSource:
    """The source of this credential's tokens. `name` is its section's. Raises SecretError."""
    match credential.way:
        case Way.SECRET if credential.client_secret:
            secret = means.secrets.reader(credential.client_secret)
            return EntraSource(credential, lambda: by_secret(credential, secret()), _http(credential, means))
        case way:
            raise ConfigurationError([f"credentials.{name}: {way.value} is not known yet"])


def _http(credential: EntraCredential, means: Means) -> Callable[[], ProviderHttp]:
    """What makes the HTTP client for one token."""
    return partial(ProviderHttp, credential.ca_file, means.clock)
