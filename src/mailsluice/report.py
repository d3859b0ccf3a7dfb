"""The report of a mailbox: how its polls went, and what stays on its server.

Owns the value, and what can be computed from it alone. Must never decide the fate of a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from mailsluice.model import SessionReport


@dataclass(frozen=True, slots=True)
class MailboxReport:
    """What is known of a mailbox, apart from its messages.

    `name` is the section's name, or the address as long as that name is not known. `failures` counts the
    failed sessions since the last success. `last_error` is the latest failure, even if a success came after
    it. `last` is None before the first session. `quarantined` is how many messages are set aside. `held` is
    how many stay for another reason than policy, by the words of `failure.Held`. `acknowledged` is how many
    of these an administrator has acknowledged.
    """

    name: str
    next_poll: datetime | None
    last_success: datetime | None
    failures: int
    last_error: str
    total_stored: int
    last: SessionReport | None
    quarantined: int = 0
    held: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    acknowledged: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def news(self) -> int:
        """How many held messages nobody has acknowledged."""
        return sum(max(0, count - self.acknowledged.get(why, 0)) for why, count in self.held.items())
