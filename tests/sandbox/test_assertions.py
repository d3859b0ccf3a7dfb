from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes

from mailsluice_sandbox import Sandbox
from mailsluice_sandbox.assertions import TYPE, Assertions, Federated
from sandbox.raw_client import HandClock
from support.proofs import ISSUER, SUBJECT, Pair, assertion, pair, rsa_key

EARLY = datetime(2020, 1, 1, tzinfo=UTC)
APP, AUDIENCE = "app", "https://login.example/contoso/oauth2/v2.0/token"


@pytest.fixture
def own(clock: HandClock) -> Pair:
    return pair(begin=clock.now() - timedelta(days=1), end=clock.now() + timedelta(days=1))


@pytest.fixture
def assertions(clock: HandClock, own: Pair) -> Assertions:
    assertions = Assertions(clock, APP, AUDIENCE)
    assertions.certificates.append(own.certificate)
    assertions.federated.append(Federated(ISSUER, SUBJECT, rsa_key(1).public_key()))
    return assertions


def thumbprint(pair: Pair, algorithm: hashes.HashAlgorithm, padding: str = "") -> str:
    return base64.urlsafe_b64encode(pair.certificate.fingerprint(algorithm)).decode().rstrip("=") + padding


@pytest.fixture
def signed(clock: HandClock, own: Pair) -> Callable[..., dict[str, str]]:
    """The form with an assertion by a certificate; what differs from a right one is told."""

    def sign(
        *, key: Any = None, algorithm: str = "PS256", header: dict[str, str] | None = None, **claims: object
    ) -> dict[str, str]:
        now = int(clock.now().timestamp())
        usual = {
            "iss": APP,
            "sub": APP,
            "aud": AUDIENCE,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + 600,
        }
        named = header if header is not None else {"x5t#S256": thumbprint(own, hashes.SHA256())}
        payload = {name: value for name, value in (usual | claims).items() if value is not None}
        token = jwt.encode(payload, key or own.key, algorithm=algorithm, headers=named)
        return {"client_assertion_type": TYPE, "client_assertion": token}

    return sign


Signed = Callable[..., dict[str, str]]


def code(assertions: Assertions, form: dict[str, str]) -> int:
    mistake = assertions.mistake(form)
    return mistake.code if mistake else 0


@pytest.mark.parametrize("algorithm", ["PS256", "RS256"])
@pytest.mark.parametrize(("name", "kind"), [("x5t#S256", hashes.SHA256()), ("x5t", hashes.SHA1())])  # noqa: S303
@pytest.mark.parametrize("padding", ["", "="])
def test_the_key_of_an_uploaded_certificate_proves_the_app(
    assertions: Assertions, signed: Signed, own: Pair, algorithm: str, name: str, kind: Any, padding: str
) -> None:
    header = {name: thumbprint(own, kind, padding)}
    assert code(assertions, signed(algorithm=algorithm, header=header)) == 0
    ((accepted, claims),) = assertions.accepted
    assert accepted["alg"] == algorithm
    assert claims["iss"] == APP


@pytest.mark.parametrize(
    ("difference", "number"),
    [
        ({"header": {}}, 700027),
        ({"header": {"x5t#S256": "canary"}}, 700027),
        ({"key": rsa_key(1)}, 700027),
        ({"algorithm": "RS512"}, 700027),
        ({"aud": "https://login.example/other"}, 700023),
        ({"sub": "other"}, 50027),
        ({"jti": None}, 50027),
        ({"exp": 1}, 700024),
        ({"nbf": 9_999_999_999}, 700024),
    ],
    ids=lambda value: "-".join(value) or "nothing" if isinstance(value, dict) else str(value),
)
def test_what_differs_is_refused_with_its_number(
    assertions: Assertions, signed: Signed, difference: dict[str, Any], number: int
) -> None:
    assert code(assertions, signed(**difference)) == number
    assert assertions.accepted == ()


def test_a_certificate_that_was_taken_away_proves_nothing(assertions: Assertions, signed: Signed) -> None:
    assertions.certificates.clear()
    assert code(assertions, signed()) == 700027


def test_a_certificate_that_has_ended_proves_nothing(
    assertions: Assertions, signed: Signed, own: Pair, clock: HandClock
) -> None:
    assertions.certificates[:] = [pair(own.key, end=clock.now() - timedelta(days=1), begin=EARLY).certificate]
    ended = Pair(own.key, assertions.certificates[0])
    assert code(assertions, signed(header={"x5t#S256": thumbprint(ended, hashes.SHA256())})) == 700027


@pytest.mark.parametrize(("minutes", "number"), [(-10, 700024), (-9, 0), (4, 0), (10, 700024)])
def test_an_app_may_have_a_clock_that_is_a_little_wrong(
    assertions: Assertions, signed: Signed, clock: HandClock, minutes: int, number: int
) -> None:
    form = signed(
        iat=int((clock.now() + timedelta(minutes=minutes)).timestamp()),
        exp=int((clock.now() + timedelta(minutes=minutes + 10)).timestamp()),
    )
    assert code(assertions, form) == number


@pytest.mark.parametrize("text", ["", "canary", "a.b.c"])
def test_what_is_no_jwt_is_refused(assertions: Assertions, text: str) -> None:
    assert code(assertions, {"client_assertion_type": TYPE, "client_assertion": text}) == 50027


def test_an_assertion_has_a_type(assertions: Assertions, signed: Signed) -> None:
    assert code(assertions, {"client_assertion": signed()["client_assertion"]}) == 900144


class TestFederated:
    @pytest.mark.parametrize(
        ("difference", "number"),
        [
            ({}, 0),
            ({"aud": "api://AzureADTokenExchange"}, 0),
            ({"iss": "https://other.example"}, 70021),
            ({"sub": "system:serviceaccount:mail:other"}, 70021),
            ({"aud": ["https://kubernetes.default.svc"]}, 70021),
            ({"key": rsa_key(0)}, 50013),
            ({"exp": 1}, 700024),
        ],
        ids=lambda value: "-".join(value) or "nothing" if isinstance(value, dict) else str(value),
    )
    def test_issuer_subject_audience_key_and_time_have_to_be_right(
        self, assertions: Assertions, clock: HandClock, difference: dict[str, Any], number: int
    ) -> None:
        token = assertion(clock.now() + timedelta(hours=1), **difference)
        assert code(assertions, {"client_assertion_type": TYPE, "client_assertion": token}) == number


def test_refusals_are_explained_in_entra_s_words(
    assertions: Assertions, signed: Signed, own: Pair, clock: HandClock
) -> None:
    def text(form: dict[str, str]) -> str:
        mistake = assertions.mistake(form)
        return mistake.description if mistake else ""

    thumbprint = own.certificate.fingerprint(hashes.SHA256()).hex().upper()
    unpaired = text(signed(key=rsa_key(1)))
    assert "Reason - The provided signature value did not match the expected signature value." in unpaired
    assert thumbprint in unpaired
    assert text(signed(exp=1)).startswith(
        "Client assertion is not within its valid time range. Current time: 2026-03-01T12:00:00.0000000Z, "
        "assertion valid from 2026-03-01T12:00:00.0000000Z, expiry time of assertion 1970-01-01T00:00:01.0000000Z."
    )
    clock.advance(timedelta(days=2))
    assert (
        "is expired on application. [Reason - The key used is expired., "
        "Found key 'Start=02/28/2026 12:00:00, End=03/02/2026 12:00:00'" in text(signed())
    )
    assertions.certificates.clear()
    missing = text(signed())
    assert (
        "is not registered on application. [Reason - The key was not found., Thumbprint of key used by"
        in missing
    )
    assert thumbprint in missing
    assert "Thumbprint" not in text(signed(header={}))


def test_the_token_endpoint_refuses_in_entra_s_form(sandbox: Sandbox) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": sandbox.client_id,
        "scope": "https://outlook.office365.com/.default",
        "client_assertion_type": TYPE,
        "client_assertion": "canary",
    }
    reply = sandbox.entra.token(sandbox.tenant_id, form)
    assert reply.status == 401
    assert b"AADSTS50027" in reply.body
