"""The references: which secrets a configuration refers to, and where.

Owns the search for them. Must never read a secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mailsluice.config.models import Config
from mailsluice.config.types import SecretRef


@dataclass(frozen=True, slots=True)
class Reference:
    """A secret that a credential's section refers to, and by which key."""

    ref: SecretRef
    credential: str
    key: str

    def __str__(self) -> str:
        return f"credentials.{self.credential}.{self.key}"


def references(config: Config) -> Iterator[Reference]:
    """Every reference, in the order of the configuration."""
    for name, credential in config.credentials.items():
        for key in type(credential).model_fields:
            ref = getattr(credential, key)
            if isinstance(ref, SecretRef):
                yield Reference(ref, name, key)
