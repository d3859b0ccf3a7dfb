"""The expiry: when what a credential proves itself with ends, and how soon that is.

Owns the days at which somebody is warned, and what to do about each kind of end. Pure. Must never read a
secret or a clock: it is given the times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import Enum

from mailsluice import invocation
from mailsluice.config.credentials import EntraCredential, Way
from mailsluice.config.types import SecretRef

WARNINGS = (30, 14, 7, 0)
"""Somebody is warned when so many days are left; 0: it is over."""


class Proof(Enum):
    """What a credential proves itself with, as far as it ends some day. The value is its name for people."""

    SECRET = "client secret"  # noqa: S105  its name
    CERTIFICATE = "certificate"
    SIGN_IN = "sign-in"


_PROOFS: Mapping[Way, Proof] = {
    Way.SECRET: Proof.SECRET,
    Way.CERTIFICATE: Proof.CERTIFICATE,
    Way.DEVICE_CODE: Proof.SIGN_IN,
    Way.BROWSER: Proof.SIGN_IN,
}


@dataclass(frozen=True, slots=True)
class Expiry:
    """When the proof of the credential with this name ends, and what to do before that."""

    credential: str
    proof: Proof
    ends: datetime
    remedy: str

    def warning(self, now: datetime) -> int | None:
        """The last of WARNINGS that has come: 30, 14, 7 or 0. None if more than 30 days are left."""
        left = self.ends - now
        return min((days for days in WARNINGS if left <= timedelta(days=days)), default=None)

    def words(self, now: datetime) -> str:
        """`its certificate ends in 12 days, on 2027-05-01`."""
        days = abs(self.ends - now).days
        some = {0: "less than a day", 1: "1 day"}.get(days, f"{days} days")
        when = f"in {some}, on" if self.ends > now else f"{some} ago, on"
        verb = "ends" if self.ends > now else "ended"
        return f"its {self.proof.value} {verb} {when} {self.ends:%Y-%m-%d}"


def proof_of(credential: EntraCredential) -> Proof | None:
    """What this credential proves itself with; None if that has no end, or nobody knows it."""
    return _PROOFS.get(credential.way)


def declared(credential: EntraCredential) -> datetime | None:
    """The end that the configuration declares (`expires`): the end of that day."""
    if credential.expires is None:
        return None
    return datetime.combine(credential.expires, time.max, tzinfo=UTC)


def remedy(name: str, credential: EntraCredential, proof: Proof) -> str:
    """What to do before the proof of the credential with this name ends."""
    match proof:
        case Proof.SIGN_IN:
            return f"sign in again: `{invocation.command('login', name)}`"
        case Proof.CERTIFICATE:
            first = "make a new certificate, and upload it to the app registration"
            return f"{first}; then {_replace(credential.certificate, ' < FILE')}"
        case Proof.SECRET:
            first = "make a new client secret in the app registration"
            return f"{first}; then {_replace(credential.client_secret)}, and correct `expires`"


def _replace(ref: SecretRef | None, source: str = "") -> str:
    # A certificate has many lines, and a prompt reads one: it comes from a file.
    if ref is not None and ref.scheme == "keyring":
        return f"`{invocation.command('secret', 'set', ref.name)}{source}`"
    return f"put it into {ref}"
