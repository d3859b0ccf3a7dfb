"""What a check works with, without a mailbox or a credential in the configuration."""

from __future__ import annotations

from pathlib import Path

from mailsluice.auth.credentials import Credentials
from mailsluice.auth.proxies import Proxies
from mailsluice.auth.secrets import secrets_of
from mailsluice.checking.means import Means
from mailsluice.checking.steps import Journal, Unwatched
from mailsluice.clock import SystemClock
from mailsluice.config.models import Config
from mailsluice.ledger import Ledger
from mailsluice.net.connections import Connections
from mailsluice.net.trials import Trials


def means_of(state_dir: Path, ledger: Ledger | None = None) -> Means:
    """The means of a check that uses this state directory."""
    config = Config.model_validate({"service": {"state_dir": str(state_dir)}})
    clock, secrets = SystemClock(), secrets_of(config)
    return Means(
        config,
        Journal(clock, Unwatched()),
        Credentials(config.credentials, secrets, clock),
        Proxies(config, secrets, Trials(clock)),
        clock,
        Connections(),
        ledger,
    )
