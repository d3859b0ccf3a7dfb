"""A listing, noted as a poll would note it: recalled first, then confirmed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from mailsluice.model import Confirmation, MailboxKey, Quiet
from mailsluice.session.ports import Messages


def confirm(
    messages: Messages,
    key: MailboxKey,
    listed: Collection[bytes],
    reused: Collection[bytes],
    now: datetime,
    quiet: Quiet | None = None,
) -> None:
    memory = messages.recall(key, listed)
    messages.confirm(key, memory, Confirmation(listed, reused, quiet=quiet), now)
