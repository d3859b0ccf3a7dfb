"""The change: what differs between two configurations, mailbox by mailbox.

Owns what makes a mailbox another one to those who poll it. Must never do anything about it, nor look at
anything but the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from mailsluice.config.models import Config


@dataclass(frozen=True, slots=True)
class Change:
    """The names of mailboxes that are new, are polled otherwise than before, or are no more.

    Every other mailbox is polled exactly as before, wherever its section stands now.
    """

    added: frozenset[str]
    changed: frozenset[str]
    removed: frozenset[str]

    @classmethod
    def between(cls, before: Config, after: Config) -> Self:
        """What has to be done to go on with `after`."""
        old, new = before.mailboxes.keys(), after.mailboxes.keys()
        return cls(
            added=frozenset(new - old),
            changed=frozenset(name for name in old & new if _differs(name, before, after)),
            removed=frozenset(old - new),
        )

    @property
    def begins(self) -> frozenset[str]:
        """Who is polled by a new configuration from now on."""
        return self.added | self.changed

    @property
    def ends(self) -> frozenset[str]:
        """Whose sessions of the former configuration are to end."""
        return self.removed | self.changed


def _differs(name: str, before: Config, after: Config) -> bool:
    """Whether its own section does, or what that refers to.

    A secret is never part of a configuration, only where it is kept: it may change there at any time.
    """
    old, new = before.mailboxes[name], after.mailboxes[name]
    return (
        old != new
        or before.credentials.get(old.credential) != after.credentials.get(new.credential)
        or (new.cron is not None and before.zone != after.zone)
    )
