"""A source that proves who asks by a client secret, as the tests ask for it."""

from __future__ import annotations

from collections.abc import Callable

from mailsluice.auth.sources.client import by_secret
from mailsluice.auth.sources.entra import EntraSource
from mailsluice.clock import Clock
from mailsluice.config.credentials import EntraCredential
from mailsluice.net.https import ProviderHttp


def secret_source(
    credential: EntraCredential,
    secret: Callable[[], str],
    clock: Clock,
    http: Callable[[], ProviderHttp] | None = None,
) -> EntraSource:
    return EntraSource(
        credential,
        lambda: by_secret("acme", credential, secret()),
        http or (lambda: ProviderHttp(credential.ca_file, clock)),
    )
