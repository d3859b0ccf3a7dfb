"""The client credentials grant (RFC 6749 §4.4): an application asks for itself.

Owns the requests by which an application proves who it is. Must never keep what proves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msal

from mailsluice.auth.sources.aadsts import remedy
from mailsluice.auth.sources.entra import Answer, Request
from mailsluice.config.credentials import EntraCredential
from mailsluice.net.https import ProviderHttp


def by_secret(credential: EntraCredential, secret: str) -> Request:
    """The request of an application with this client secret."""
    return _request(credential, secret, hidden=(secret,))


def by_certificate(credential: EntraCredential, key: str, certificate: str) -> Request:
    """The request of an application with this certificate and its private key, both in PEM.

    msal signs an assertion with the key: PS256, and the certificate's SHA-256 in `x5t#S256`. Each request has
    a new one, because the application that would keep it ends with the request.
    """
    return _request(credential, {"private_key": key, "public_certificate": certificate})


def by_assertion(credential: EntraCredential, assertion: str) -> Request:
    """The request of an application with this assertion of another identity provider."""
    # A function, because msal warns of an assertion as a text: such a text ends.
    return _request(credential, {"client_assertion": lambda: assertion}, hidden=(assertion,))


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

    return Request(send, hidden, partial(remedy, way=credential.way))
