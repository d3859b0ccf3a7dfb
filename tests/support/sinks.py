"""The sinks of a ledger that a test opened by itself."""

from __future__ import annotations

from pathlib import Path

from mailsluice.ledger.ledger import Ledger
from mailsluice.sink.sinks import Sinks


def sinks_of(ledger: Ledger, state_dir: Path = Path("/var/lib/mailsluice")) -> Sinks:
    """Those that this ledger feeds, kept in `state_dir`."""
    return Sinks(ledger.id, ledger.staging_owner, state_dir)
