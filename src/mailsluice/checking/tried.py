"""What was tried of one mailbox, and how it went.

Owns this value. Must never judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mailsluice.checking.opening import Opened
from mailsluice.checking.reach import Reached
from mailsluice.checking.way_in import WayIn
from mailsluice.config.models import Mailbox
from mailsluice.diagnosis.facts import Door
from mailsluice.errors import MailsluiceError


@dataclass(slots=True)
class Tried:
    """One mailbox. What is None was not tried, or has no error: see each part.

    `spent`: the seconds that its token, its sink and its server took.
    """

    mailbox: Mailbox
    way_in: WayIn
    server: Reached
    sink: MailsluiceError | None = None
    opened: Opened | None = None
    spent: float = 0.0
    doors: Mapping[Door, MailsluiceError | None] = field(default_factory=dict)
