"""What proves an application to its identity provider, as it goes over the wire."""

from __future__ import annotations

import base64
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes

from auth.hand_clock import HandClock
from auth.token_endpoint import TENANT, TokenEndpoint, as_json
from mailsluice.auth.sources.client import by_assertion, by_certificate, by_secret
from mailsluice.auth.sources.entra import EntraSource, Request
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import TokenRefused
from mailsluice.net.https import ProviderHttp
from support.proofs import pair

OWN = pair()
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture
def credential(endpoint: TokenEndpoint) -> EntraCredential:
    return EntraCredential.model_validate(
        {
            "tenant_id": TENANT,
            "client_id": "app",
            "certificate": "file:/nowhere/acme.pem",
            "authority": endpoint.authority,
            "ca_file": str(endpoint.ca_file),
        }
    )


def source(credential: EntraCredential, request: Request, clock: HandClock) -> EntraSource:
    return EntraSource(credential, lambda: request, lambda: ProviderHttp(credential.ca_file, clock))


@pytest.fixture
def by_own(credential: EntraCredential, clock: HandClock) -> EntraSource:
    request = by_certificate("acme", credential, OWN.key_pem().decode(), OWN.public_pem.decode())
    return source(credential, request, clock)


def proof(endpoint: TokenEndpoint) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of the last assertion; its signature is that of the certificate's key."""
    form = endpoint.forms[-1]
    assert form["client_assertion_type"] == ASSERTION_TYPE
    assert "client_secret" not in form
    token = form["client_assertion"]
    claims = jwt.decode(
        token, OWN.key.public_key(), algorithms=["PS256"], audience=f"{endpoint.authority}/oauth2/v2.0/token"
    )
    return jwt.get_unverified_header(token), claims


def test_a_certificate_signs_an_assertion_by_ps256_and_is_named_by_its_sha_256(
    endpoint: TokenEndpoint, by_own: EntraSource
) -> None:
    assert by_own.ask().value == "canary-token-1"
    header, _ = proof(endpoint)
    digest = base64.urlsafe_b64encode(OWN.certificate.fingerprint(hashes.SHA256())).decode().rstrip("=")
    assert header["alg"] == "PS256"
    assert header["x5t#S256"].rstrip("=") == digest  # msal pads it, against RFC 7515 §2; Entra ID bears that
    assert "x5t" not in header


def test_the_assertion_is_by_the_app_for_the_token_endpoint_and_lives_ten_minutes(
    endpoint: TokenEndpoint, by_own: EntraSource
) -> None:
    begun = time.time()
    by_own.ask()
    _, claims = proof(endpoint)
    assert claims["iss"] == claims["sub"] == "app"
    assert claims["aud"] == f"{endpoint.authority}/oauth2/v2.0/token"
    assert begun <= claims["iat"] <= time.time()
    assert claims["exp"] - claims["iat"] == pytest.approx(600, abs=5)


def test_each_request_has_an_assertion_of_its_own(endpoint: TokenEndpoint, by_own: EntraSource) -> None:
    by_own.ask()
    _, first = proof(endpoint)
    by_own.ask()
    _, second = proof(endpoint)
    assert first["jti"] != second["jti"]


def test_the_assertion_of_another_provider_goes_as_it_is(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock
) -> None:
    assert (
        source(credential, by_assertion("acme", credential, "a.b.canary"), clock).ask().value
        == "canary-token-1"
    )
    (form,) = endpoint.forms
    assert form["client_assertion"] == "a.b.canary"
    assert form["client_assertion_type"] == ASSERTION_TYPE
    assert "client_secret" not in form


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ("0a1b2c3d-0000-4000-8000-00000000cafe", "the client secret is the ID of a secret"),
        ("canary", "the client secret is not one of application app"),
    ],
)
def test_a_secret_that_has_the_form_of_an_id_is_told_as_such(
    credential: EntraCredential, secret: str, told: str
) -> None:
    refused = TokenRefused("refused", said="invalid_client: AADSTS7000215: Invalid client secret provided.")
    assert by_secret("acme", credential, secret).remedy(refused).startswith(told)


def test_an_assertion_that_the_provider_repeats_is_not_told(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock
) -> None:
    endpoint.answer = lambda form: as_json(
        401, {"error": "invalid_client", "error_description": f"AADSTS1: {form['client_assertion']} is bad"}
    )
    with pytest.raises(TokenRefused, match=r"AADSTS1: \[secret\] is bad") as caught:
        source(credential, by_assertion("acme", credential, "a.b.canary"), clock).ask()
    assert "client_secret" not in caught.value.remedy


def test_a_request_shows_neither_key_nor_assertion_in_its_repr(credential: EntraCredential) -> None:
    for request in (
        by_certificate("acme", credential, OWN.key_pem().decode(), OWN.public_pem.decode()),
        by_assertion("acme", credential, "a.b.canary"),
    ):
        assert "canary" not in repr(request)
        assert "PRIVATE" not in repr(request)
