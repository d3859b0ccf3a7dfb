"""The client credentials grant (RFC 6749 §4.4): an application asks for itself.

Owns the requests by which an application proves who it is. In them, `name` is the section's: errors name it.
Must never keep what proves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msal

from mailsluice.auth.sources.entra import Answer, Request
from mailsluice.auth.sources.refusal import Remedy, remedy_for
from mailsluice.auth.text import looks_like_id
from mailsluice.config.credentials import EntraCredential
from mailsluice.net.https import ProviderHttp


def by_secret(name: str, credential: EntraCredential, secret: str) -> Request:
    """The request of an application with this client secret."""
    remedy = remedy_for(name, credential, secret_is_id=looks_like_id(secret))
    return _request(credential, secret, remedy, hidden=(secret,))


def by_certificate(name: str, credential: EntraCredential, key: str, certificate: str) -> Request:
    """The request of an application with this certificate and its private key, both in PEM.

    msal signs an assertion with the key: PS256, and the certificate's SHA-256 in `x5t#S256`. Each request has
    a new one, because the application that would keep it ends with the request.
    """
    proof = {"private_key": key, "public_certificate": certificate}
    return _request(credential, proof, remedy_for(name, credential))


def by_assertion(name: str, credential: EntraCredential, assertion: str) -> Request:
    """The request of an application with this assertion of another identity provider."""
    # A function, because msal warns of an assertion as a text: such a text ends.
    proof = {"client_assertion": lambda: assertion}
    return _request(credential, proof, remedy_for(name, credential), hidden=(assertion,))


def _request(
    credential: EntraCredential,
    proof: str | Mapping[str, Any],
    remedy: Remedy,
    *,
    hidden: tuple[str, ...] = (),
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

    return Request(send, hidden, remedy)
