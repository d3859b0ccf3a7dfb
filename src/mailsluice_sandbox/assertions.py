"""The assertions that Entra ID accepts from an app instead of its secret (RFC 7523 §2.2).

Owns the certificates that were uploaded to the app, and its federated credentials. Must never issue a token.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from mailsluice.clock import Clock

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE = "api://AzureADTokenExchange"
"""The audience of an assertion of another identity provider."""
_SKEW = 300
"""Seconds by which the clock of an app may be ahead."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why an assertion is refused, as Entra ID says it: the number after AADSTS, and the text."""

    code: int
    description: str


@dataclass(frozen=True, slots=True)
class Federated:
    """Another identity provider and one subject of it who may act as the app. `key` verifies its tokens."""

    issuer: str
    subject: str
    key: rsa.RSAPublicKey
    audience: str = EXCHANGE


class Assertions:
    """What may prove one app. Safe among threads.

    `certificates` are those that are uploaded, and `federated` whom the app trusts. Both may be changed at
    any time. `audience` is the token endpoint.
    """

    def __init__(self, clock: Clock, client_id: str, audience: str) -> None:
        self.certificates: list[x509.Certificate] = []
        self.federated: list[Federated] = []
        self._clock = clock
        self._client_id = client_id
        self._audience = audience
        self._lock = threading.Lock()
        self._accepted: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []

    @property
    def accepted(self) -> tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...]:
        """Header and claims of every assertion that proved the app, in order."""
        with self._lock:
            return tuple(self._accepted)

    def mistake(self, form: Mapping[str, str]) -> Mistake | None:
        """Why the assertion in this request for a token does not prove the app; or None if it does."""
        assertion = form.get("client_assertion", "")
        if form.get("client_assertion_type") != TYPE:
            return Mistake(900144, "The request body must contain: 'client_assertion_type'.")
        try:
            header = jwt.get_unverified_header(assertion)
            claims = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            return Mistake(50027, "JWT token is invalid or malformed.")
        own = claims.get("iss") == self._client_id
        mistake = self._of_app(assertion, header, claims) if own else self._of_another(assertion, claims)
        if mistake is None:
            with self._lock:
                self._accepted.append((header, claims))
        return mistake

    def _of_app(self, assertion: str, header: Mapping[str, Any], claims: Mapping[str, Any]) -> Mistake | None:
        certificate = next((each for each in self.certificates if _names(header, each)), None)
        if certificate is None:
            thumbprint = _named(header)
            client = f" Thumbprint of key used by client: '{thumbprint}'," if thumbprint else ""
            return self._unacceptable(
                "The certificate with identifier used to sign the client assertion is not registered on "
                "application.",
                f"The key was not found.,{client}",
            )
        key = certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey) or not _is_signed(assertion, key):
            return self._unacceptable(
                "Client assertion contains an invalid signature.",
                "The provided signature value did not match the expected signature value., Thumbprint of key "
                f"used by client: '{_named(header)}', {_span(certificate)}",
            )
        now = self._clock.now()
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return self._unacceptable(
                "The certificate with identifier used to sign the client assertion is expired on "
                "application.",
                f"The key used is expired., {_span(certificate)}",
            )
        if claims.get("aud") != self._audience:
            return Mistake(700023, "Client assertion audience claim does not match Realm issuer.")
        if claims.get("sub") != self._client_id or not claims.get("jti"):
            return Mistake(50027, "JWT token is invalid or malformed.")
        return self._out_of_time(claims)

    def _unacceptable(self, what: str, why: str) -> Mistake:
        return Mistake(
            700027,
            f"{what} [Reason - {why} Please visit the Azure Portal, Graph Explorer or directly use MS Graph "
            f"to see configured keys for app Id '{self._client_id}'. Review the documentation at "
            "https://docs.microsoft.com/en-us/graph/deployments to determine the corresponding service "
            "endpoint and https://docs.microsoft.com/en-us/graph/api/application-get?view=graph-rest-1.0"
            "&tabs=http to build a query request URL, such as "
            f"'https://graph.microsoft.com/beta/applications/{self._client_id}'].",
        )

    def _of_another(self, assertion: str, claims: Mapping[str, Any]) -> Mistake | None:
        said = (claims.get("iss"), claims.get("sub"), claims.get("aud"))
        for trusted in self.federated:
            # The audience is a text, or a list of one (RFC 7519 §4.1.3): Kubernetes writes a list.
            if said[:2] == (trusted.issuer, trusted.subject) and said[2] in (
                trusted.audience,
                [trusted.audience],
            ):
                if not _is_signed(assertion, trusted.key):
                    return Mistake(50013, "Assertion failed signature validation.")
                return self._out_of_time(claims)
        issuer, subject, audience = said
        return Mistake(
            70021,
            "No matching federated identity record found for presented assertion. Assertion Issuer: "
            f"'{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: '{audience}'.",
        )

    def _out_of_time(self, claims: Mapping[str, Any]) -> Mistake | None:
        now = self._clock.now().timestamp()
        begin, end = claims.get("nbf", claims.get("iat", 0)), claims.get("exp", 0)
        if begin - _SKEW <= now < end:
            return None
        return Mistake(
            700024,
            "Client assertion is not within its valid time range. "
            f"Current time: {_moment(now)}, assertion valid from {_moment(begin)}, "
            f"expiry time of assertion {_moment(end)}. Review the documentation at "
            "https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
        )


def _names(header: Mapping[str, Any], certificate: x509.Certificate) -> bool:
    """Whether a header names this certificate (RFC 7515 §4.1.7, §4.1.8).

    Padding is borne, as Entra ID does: msal for Python pads.
    """
    thumbprints = {"x5t#S256": hashes.SHA256(), "x5t": hashes.SHA1()}  # noqa: S303  RFC 7515 has both
    return any(
        str(header.get(name, "")).rstrip("=") == _thumbprint(certificate, algorithm)
        for name, algorithm in thumbprints.items()
    )


def _named(header: Mapping[str, Any]) -> str:
    """The thumbprint in a header, as the portal shows it; empty if there is none."""
    said = str(header.get("x5t") or header.get("x5t#S256") or "").rstrip("=")
    try:
        return base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)).hex().upper()
    except ValueError:
        return ""


def _span(certificate: x509.Certificate) -> str:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return f"Found key 'Start={begin:%m/%d/%Y %H:%M:%S}, End={end:%m/%d/%Y %H:%M:%S}',"


def _thumbprint(certificate: x509.Certificate, algorithm: hashes.HashAlgorithm) -> str:
    return base64.urlsafe_b64encode(certificate.fingerprint(algorithm)).decode().rstrip("=")


def _is_signed(assertion: str, key: rsa.RSAPublicKey) -> bool:
    """Whether this key verifies the signature. The times are checked elsewhere, by the sandbox's clock."""
    unchecked = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
    try:
        jwt.decode(assertion, key, algorithms=["PS256", "RS256"], options=unchecked)  # type: ignore[arg-type]
    except jwt.InvalidTokenError:
        return False
    return True


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f0Z}"
