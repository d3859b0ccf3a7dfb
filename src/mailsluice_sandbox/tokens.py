"""Access tokens as Entra ID makes them for Exchange Online: signed JWTs, and their check.

Owns the signing key and the claims. Must never decide who may open which mailbox.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailsluice.clock import Clock
from mailsluice_sandbox.registration import AppRegistration

Cloud = Literal["worldwide", "gcc-high", "dod", "china"]
AUDIENCES: Mapping[Cloud, str] = {
    "worldwide": "https://outlook.office365.com",
    "gcc-high": "https://outlook.office365.us",
    "dod": "https://outlook-dod.office365.us",
    "china": "https://partner.outlook.cn",
}
"""Exchange Online in each of Microsoft's clouds, as tokens name it."""
GRAPH = "https://graph.microsoft.com"
"""Microsoft Graph. Exchange's POP3, IMAP and SMTP take none of its tokens."""
PERSON_AUDIENCE = "https://outlook.office.com"


@dataclass(frozen=True, slots=True)
class Right:
    """What a token says if it is good for a protocol: a role of the app, or what a person delegated to it."""

    role: str
    scope: str


POP = Right("POP.AccessAsApp", "POP.AccessAsUser.All")
IMAP = Right("IMAP.AccessAsApp", "IMAP.AccessAsUser.All")
SMTP = Right("SMTP.SendAsApp", "SMTP.Send")
PERSON_SCOPE = f"{PERSON_AUDIENCE}/{POP.scope}"


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who comes with a valid token: an app itself (`object_id` is its `oid`), or an app for a `person`."""

    object_id: str
    person: str | None = None


@functools.cache
def _signing_key() -> rsa.RSAPrivateKey:
    """One key for the whole process: making one takes longer than starting a sandbox."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


class TokenIssuer:
    """Signs and checks the access tokens of one tenant: those of its app, and of the identities of machines.

    `audience` is Exchange Online in the tenant's cloud.
    """

    def __init__(
        self,
        clock: Clock,
        issuer: str,
        tenant_id: str,
        app: AppRegistration,
        audience: str = AUDIENCES["worldwide"],
    ) -> None:
        self.audience = audience
        self._clock = clock
        self._issuer = issuer
        self._tenant_id = tenant_id
        self._app = app
        self._admitted: set[str] = set()
        self._key = _signing_key()

    @property
    def public_key_pem(self) -> bytes:
        """The key that proves a token's signature, as PEM (SubjectPublicKeyInfo)."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def key_id(self) -> str:
        """The `kid` in the header of every token."""
        return hashlib.sha256(self.public_key_pem).hexdigest()[:32]

    @property
    def resources(self) -> Mapping[str, list[str]]:
        """For what an app may ask a token, and the roles that the token has. No role, no claim."""
        return {self.audience: self._app.roles, GRAPH: self._app.graph_roles}

    @property
    def delegated(self) -> frozenset[str]:
        """For what a person may let the app ask a token."""
        return frozenset({self.audience, PERSON_AUDIENCE, GRAPH})

    def admit(self, client_id: str) -> None:
        """Let the identity of a machine open mailboxes, too."""
        self._admitted.add(client_id)

    def mint(
        self,
        *,
        lifetime: timedelta = timedelta(minutes=75),
        claims: Mapping[str, object] | None = None,
        key: rsa.RSAPrivateKey | None = None,
        resource: str | None = None,
    ) -> str:
        """A token that is valid from now for `lifetime`. A negative one gives an expired token.

        It is for Exchange Online, or for another one of `resources`. `claims` replace the usual ones; a claim
        that is None is left out. `key` signs instead of the issuer's key.
        """
        now = self._clock.now()
        audience = resource or self.audience
        usual: dict[str, object] = {
            "iss": self._issuer,
            "aud": audience,
            "tid": self._tenant_id,
            "appid": self._app.client_id,
            "azp": self._app.client_id,
            "idtyp": "app",
            "oid": self._app.object_id,
            "sub": self._app.object_id,
            "roles": self.resources.get(audience) or None,
            "iat": _seconds(now),
            "nbf": _seconds(now),
            "exp": _seconds(now + lifetime),
        }
        payload = {name: value for name, value in {**usual, **(claims or {})}.items() if value is not None}
        return jwt.encode(payload, key or self._key, algorithm="RS256", headers={"kid": self.key_id})

    def mint_for(
        self, person: str, object_id: str, *, lifetime: timedelta, audience: str = PERSON_AUDIENCE
    ) -> str:
        """A token of a person who lets this app act in their name, as `mint` makes one of the app itself."""
        delegated = {
            "aud": audience,
            "idtyp": None,
            "roles": None,
            "scp": " ".join(self._app.scopes),
            "upn": person,
            "oid": object_id,
            "sub": object_id,
        }
        return self.mint(lifetime=lifetime, claims=delegated)

    def bearer(self, token: str, right: Right) -> Bearer | None:
        """Whom a token lets in; None if it is not valid now, not for Exchange Online, or has not this right.

        Checked are signature, issuer, audience, time, app, and role or scope.
        """
        claims = self._claims(token, [self.audience, PERSON_AUDIENCE])
        object_id, person, scopes = (str(claims.get(name, "")) for name in ("oid", "upn", "scp"))
        if person:
            return Bearer(object_id, person) if right.scope in scopes.split() else None
        roles = claims.get("roles")
        is_for_us = claims.get("aud") == self.audience and isinstance(roles, list) and right.role in roles
        return Bearer(object_id) if is_for_us else None

    def _claims(self, token: str, audiences: Iterable[str]) -> Mapping[str, object]:
        """What a token says, if it is one of this app for one of these, and is valid now; else nothing."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                audience=audiences,
                issuer=self._issuer,
                # The times are checked below, by the sandbox's clock. The library would use the machine's.
                options={
                    "require": ["exp", "nbf"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError:
            return {}
        is_valid = claims["nbf"] <= _seconds(self._clock.now()) < claims["exp"]
        ours = {self._app.client_id, *self._admitted}
        return claims if is_valid and claims.get("appid") in ours else {}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
