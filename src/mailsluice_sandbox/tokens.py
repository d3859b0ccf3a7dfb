"""Access tokens as Entra ID makes them for Exchange Online: signed JWTs, and their check.

Owns the signing key and the claims. Must never decide who may open which mailbox.
"""

from __future__ import annotations

import functools
import hashlib
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailsluice.clock import Clock

Cloud = Literal["worldwide", "gcc-high", "dod", "china"]
AUDIENCES: Mapping[Cloud, str] = {
    "worldwide": "https://outlook.office365.com",
    "gcc-high": "https://outlook.office365.us",
    "dod": "https://outlook-dod.office365.us",
    "china": "https://partner.outlook.cn",
}
"""Exchange Online in each of Microsoft's clouds, as tokens name it."""
ROLE = "POP.AccessAsApp"
PERSON_AUDIENCE = "https://outlook.office.com"
PERSON_ROLE = "POP.AccessAsUser.All"
PERSON_SCOPE = f"{PERSON_AUDIENCE}/{PERSON_ROLE}"


@functools.cache
def _signing_key() -> rsa.RSAPrivateKey:
    """One key for the whole process: making one takes longer than starting a sandbox."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


class TokenIssuer:
    """Signs and checks the access tokens of one tenant: those of its app, and of the identities of machines.

    `audience` is Exchange Online in the tenant's cloud. `client_id` is the app's, and may be changed.
    """

    def __init__(
        self,
        clock: Clock,
        issuer: str,
        tenant_id: str,
        client_id: str,
        audience: str = AUDIENCES["worldwide"],
    ) -> None:
        self.audience = audience
        self._clock = clock
        self._issuer = issuer
        self._tenant_id = tenant_id
        self.client_id = client_id
        self._admitted: set[str] = set()
        self._service_principal = str(uuid.uuid4())
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
    def scope(self) -> str:
        """The scope for which an app asks."""
        return f"{self.audience}/.default"

    def admit(self, client_id: str) -> None:
        """Let the identity of a machine open mailboxes, too."""
        self._admitted.add(client_id)

    def mint(
        self,
        *,
        lifetime: timedelta = timedelta(minutes=75),
        claims: Mapping[str, object] | None = None,
        key: rsa.RSAPrivateKey | None = None,
    ) -> str:
        """A token that is valid from now for `lifetime`. A negative one gives an expired token.

        `claims` replace the usual ones; a claim that is None is left out. `key` signs instead of the issuer's
        key.
        """
        now = self._clock.now()
        usual: dict[str, object] = {
            "iss": self._issuer,
            "aud": self.audience,
            "tid": self._tenant_id,
            "appid": self.client_id,
            "azp": self.client_id,
            "idtyp": "app",
            "oid": self._service_principal,
            "sub": self._service_principal,
            "roles": [ROLE],
            "iat": _seconds(now),
            "nbf": _seconds(now),
            "exp": _seconds(now + lifetime),
        }
        payload = {name: value for name, value in {**usual, **(claims or {})}.items() if value is not None}
        return jwt.encode(payload, key or self._key, algorithm="RS256", headers={"kid": self.key_id})

    def opens_pop(self, token: str) -> bool:
        """Whether Exchange Online would let this app in: signature, issuer, audience, time, app and role."""
        roles = self._claims(token, self.audience).get("roles")
        return isinstance(roles, list) and ROLE in roles

    def mint_for(self, person: str, object_id: str, *, lifetime: timedelta) -> str:
        """A token of a person who lets this app act in their name, as `mint` makes one of the app itself."""
        delegated = {
            "aud": PERSON_AUDIENCE,
            "idtyp": None,
            "roles": None,
            "scp": PERSON_ROLE,
            "upn": person,
            "oid": object_id,
            "sub": object_id,
        }
        return self.mint(lifetime=lifetime, claims=delegated)

    def person(self, token: str) -> str | None:
        """In whose name this token opens mailboxes by POP; None if it does in nobody's."""
        claims = self._claims(token, PERSON_AUDIENCE)
        person, scopes = claims.get("upn"), claims.get("scp")
        if not isinstance(person, str) or not isinstance(scopes, str) or PERSON_ROLE not in scopes.split():
            return None
        return person

    def _claims(self, token: str, audience: str) -> Mapping[str, object]:
        """What a token says, if it is one of this app for this audience, and is valid now; else nothing."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                audience=audience,
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
        return claims if is_valid and claims.get("appid") in {self.client_id, *self._admitted} else {}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
