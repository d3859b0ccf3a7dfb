"""The choice: which of the configured mailboxes a command is about.

Owns what a name that is not configured is answered with. Must never poll one.
"""

from __future__ import annotations

import click

from mailsluice.config.models import Config, Mailbox


def chosen(config: Config, name: str) -> Mailbox:
    """The mailbox of that name. Raises click.UsageError, with the names there are."""
    if name not in config.mailboxes:
        raise click.UsageError(f"no mailbox {name!r}; there are: {', '.join(config.mailboxes)}")
    return config.mailboxes[name]
