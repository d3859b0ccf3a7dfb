"""A listing, noted as a poll would note it: recalled first, then confirmed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from mailsluice.model import MailboxKey, Quiet
from mailsluice.session.ports import Ledger


def confirm(
    ledger: Ledger,
    key: MailboxKey,
    listed: Collection[bytes],
    reused: Collection[bytes],
    now: datetime,
    quiet: Quiet | None = None,
) -> None:
    memory = ledger.recall(key, listed)
    ledger.confirm(key, memory, listed, reused, now, quiet=quiet)
