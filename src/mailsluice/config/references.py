"""The references: which secrets a configuration refers to, and where.

Owns the search for them. Must never read a secret.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from mailsluice.config.models import Config
from mailsluice.config.types import SecretRef


@dataclass(frozen=True, slots=True)
class Reference:
    """A secret that a section refers to, and by which key. `credentials` cannot do without it."""

    ref: SecretRef
    section: str
    key: str
    credentials: Collection[str]

    def __str__(self) -> str:
        return f"{self.section}.{self.key}"


def references(config: Config) -> Iterator[Reference]:
    """Every reference: of the service, of the credentials, and of the mailboxes, each in their order."""
    if config.service.proxy_password:
        yield Reference(config.service.proxy_password, "service", "proxy_password", tuple(config.credentials))
    for name, credential in config.credentials.items():
        for key in type(credential).model_fields:
            ref = getattr(credential, key)
            if isinstance(ref, SecretRef):
                yield Reference(ref, f"credentials.{name}", key, (name,))
    for name, mailbox in config.mailboxes.items():
        if mailbox.proxy_password:
            yield Reference(
                mailbox.proxy_password, f"mailboxes.{name}", "proxy_password", (mailbox.credential,)
            )
