"""The choice: which of the configured mailboxes a command is for.

Owns the error for a name that is not configured. Must never poll a mailbox.
"""

from __future__ import annotations

import click

from mailsluice.config.models import Config, Mailbox


def chosen(config: Config, name: str) -> Mailbox:
    """The mailbox with this name. Raises click.UsageError, which lists the configured names."""
    if name not in config.mailboxes:
        raise click.UsageError(f"no mailbox {name!r}; there are: {', '.join(config.mailboxes)}")
    return config.mailboxes[name]
