"""The change: what differs between two configurations, mailbox by mailbox.

Owns which differences mean that a mailbox is polled in another way. Must never act on them, nor look at
anything except the two configurations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from mailsluice.config.credentials import EntraCredential
from mailsluice.config.models import Config, Service


@dataclass(frozen=True, slots=True)
class Change:
    """The names of mailboxes that were added, that are polled in another way now, or that were removed.

    Every other mailbox is polled exactly as before, even if its section has moved to another file.
    """

    added: frozenset[str]
    changed: frozenset[str]
    removed: frozenset[str]

    @classmethod
    def between(cls, before: Config, after: Config) -> Self:
        """What differs between the two."""
        old, new = before.mailboxes.keys(), after.mailboxes.keys()
        return cls(
            added=frozenset(new - old),
            changed=frozenset(name for name in old & new if _differs(name, before, after)),
            removed=frozenset(old - new),
        )

    @property
    def begins(self) -> frozenset[str]:
        """The mailboxes that are polled by their new configuration from now on."""
        return self.added | self.changed

    @property
    def ends(self) -> frozenset[str]:
        """The mailboxes whose running sessions, of the former configuration, must end."""
        return self.removed | self.changed


def _differs(name: str, before: Config, after: Config) -> bool:
    """Whether the mailbox's section differs, or its credential, a proxy, or the time zone of its `cron`.

    A secret makes no difference. Only its reference is in the configuration.
    """
    old, new = before.mailboxes[name], after.mailboxes[name]
    return (
        old != new
        or before.credentials.get(old.credential) != after.credentials.get(new.credential)
        or _has_another_proxy(name, before.service, after)
        or (new.cron is not None and before.zone != after.zone)
    )


def _has_another_proxy(name: str, before: Service, after: Config) -> bool:
    """Whether the proxy of the service differs, for the mailbox itself or for its tokens."""
    mailbox = after.mailboxes[name]
    is_used = mailbox.proxy is None or isinstance(after.credentials[mailbox.credential], EntraCredential)
    service = after.service
    return is_used and (before.proxy, before.proxy_password) != (service.proxy, service.proxy_password)
