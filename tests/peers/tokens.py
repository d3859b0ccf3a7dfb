"""Access tokens as an identity provider would mint them: RS256 JWTs, and the key that proves them.

Owns the signing key and the claims; must never know the server that checks them.
"""

from __future__ import annotations

import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER = "https://sts.test/contoso"
KEY_ID = "peers"


def new_key() -> RSAPrivateKey:
    """A fresh RSA key; tokens signed with any but the issuer's own must be refused."""
    return generate_private_key(public_exponent=65537, key_size=2048)


class TokenIssuer:
    """An issuer with one signing key."""

    def __init__(self) -> None:
        self._key = new_key()

    def publish_key(self, directory: Path) -> None:
        """Write the public key where Dovecot looks for it: `default/RS256/<kid>`, as the tokens have no `azp`."""
        path = directory / "default" / "RS256" / KEY_ID
        path.parent.mkdir(parents=True)
        path.write_bytes(self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def mint(
        self,
        address: str | None = None,
        *,
        expires_in: int = 3600,
        key: RSAPrivateKey | None = None,
        **claims: object,
    ) -> str:
        """A token that opens the mailbox `address` (delegated, claim `upn`), or any (app-only, `idtyp`).

        `expires_in` is in seconds, negative for one long expired; `claims` replace or add to the usual ones.
        """
        now = int(time.time())
        who = (
            {"idtyp": "app", "appid": "mailsluice"} if address is None else {"idtyp": "user", "upn": address}
        )
        usual = {
            "iss": ISSUER,
            "sub": "mailsluice",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + expires_in,
        }
        payload = usual | who | claims
        return jwt.encode(payload, key or self._key, algorithm="RS256", headers={"kid": KEY_ID, "typ": "JWT"})
