"""The secrets: whether each can be read as its use needs it, and what is probably wrong with it.

Owns what is looked at in a secret, a certificate, an assertion and a sign-in. `check` and `secret check` both
look here. Must never show a secret, and never change one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

from mailsluice.auth.expiry import Expiry, Proof, declared
from mailsluice.auth.secrets import secrets_of
from mailsluice.auth.signing.sign_ins import SignIns
from mailsluice.auth.sources.assertion import kept_assertion
from mailsluice.auth.text import doubts
from mailsluice.clock import SystemClock
from mailsluice.config.credentials import EntraCredential
from mailsluice.config.models import Config
from mailsluice.config.references import Reference
from mailsluice.config.types import SecretRef


def secret_warnings(config: Config, ref: SecretRef, uses: Collection[Reference]) -> Iterator[str]:
    """Read it as its use needs it. Gives what is probably wrong, or ends soon. Raises SecretError."""
    secrets, clock = secrets_of(config), SystemClock()
    keys = {use.key for use in uses}
    if "assertion" in keys:
        kept_assertion(ref, secrets, clock)()
    elif "certificate" in keys:
        from mailsluice.auth.sources.certificate import (  # noqa: PLC0415  cryptography: only for certificates
            certificate_reader,
            valid,
        )

        password = next(
            (
                credential.certificate_password
                for credential in config.credentials.values()
                if isinstance(credential, EntraCredential) and credential.certificate == ref
            ),
            None,
        )
        certificate = valid(certificate_reader(ref, password, secrets)(), ref, clock.now())
        yield from _end(Proof.CERTIFICATE, certificate.end, clock.now())
    else:
        found = doubts(secrets.reader(ref)(), is_client_secret="client_secret" in keys)
        yield from (f"the secret {doubt}" for doubt in found)
        for credential in config.credentials.values():
            if isinstance(credential, EntraCredential) and credential.client_secret == ref:
                yield from _end(Proof.SECRET, declared(credential), clock.now())


def sign_in_warnings(name: str, credential: EntraCredential, state_dir: Path) -> tuple[str, tuple[str, ...]]:
    """Who signed in for `[credentials.NAME]`, and whether that ends soon. Raises SecretError."""
    sign_in = SignIns(state_dir).made_for(name, credential)
    return sign_in.account, tuple(_end(Proof.SIGN_IN, sign_in.ends, SystemClock().now()))


def _end(proof: Proof, ends: datetime | None, now: datetime) -> Iterator[str]:
    """The warning that this proof ends, if it ends soon."""
    expiry = None if ends is None else Expiry("", proof, ends, "")
    if expiry is not None and expiry.warning(now) is not None:
        yield expiry.words(now).removeprefix("its ")
