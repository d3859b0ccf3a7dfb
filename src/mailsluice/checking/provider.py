"""The identity provider: where it is, for a check of the way to it.

Owns its endpoint. Must never ask it for a token.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from mailsluice.checking.means import Means
from mailsluice.config.credentials import EntraCredential
from mailsluice.net.endpoint import Endpoint


def endpoint_of(credential: EntraCredential, means: Means) -> Endpoint:
    """The endpoint of this credential's provider, on its route."""
    at = urlsplit(credential.authority)
    host, port = at.hostname or "", at.port or 443
    return Endpoint(host, port, credential.ca_file, route=means.proxies.to_provider(host, port))
