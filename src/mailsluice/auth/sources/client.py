"""The client credentials grant (RFC 6749 §4.4): an application asks for itself.

Owns the requests by which an application proves who it is. Must never keep what proves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msal

from mailsluice.auth.sources.entra import Answer, Request
from mailsluice.config.credentials import EntraCredential
from mailsluice.net.https import ProviderHttp


def by_secret(credential: EntraCredential, secret: str) -> Request:
    """The request of an application with this client secret."""
    return _request(credential, secret, hidden=(secret,))


def _request(
    credential: EntraCredential, proof: str | Mapping[str, Any], *, hidden: tuple[str, ...] = ()
) -> Request:
    """The request with this proof, in msal's form (`client_credential`)."""

    def send(http: ProviderHttp) -> Answer:
        application = msal.ConfidentialClientApplication(
            credential.client_id,
            client_credential=proof,
            authority=credential.authority,
            http_client=http,
            # Otherwise msal asks Microsoft about each authority it does not know, and after each error.
            instance_discovery=False,
            # Otherwise MSAL_FORCE_REGION in the environment chooses the endpoint.
            azure_region=False,
        )
        answer: Answer = application.acquire_token_for_client([credential.scope])
        return answer

    return Request(send, hidden)
