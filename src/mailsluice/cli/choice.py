"""The choice: which of the configured mailboxes a command is for, and who may judge.

Owns the errors for a name that is not configured, and for a user who is not the daemon's. Must never poll a
mailbox.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from mailsluice import invocation
from mailsluice.config.models import Config, Mailbox
from mailsluice.errors import SecretError
from mailsluice.system.users import user_name


def chosen(config: Config, name: str) -> Mailbox:
    """The mailbox with this name. Raises click.UsageError, which lists the configured names."""
    if name not in config.mailboxes:
        raise click.UsageError(f"no mailbox {name!r}; there are: {', '.join(config.mailboxes)}")
    return config.mailboxes[name]


def as_the_daemon(state_dir: Path) -> None:
    """Raise SecretError if root calls, and another user runs the daemon: root can read more."""
    if os.geteuid() != 0 or not state_dir.exists():
        return
    owner = state_dir.stat().st_uid
    if owner != 0:
        raise SecretError(
            f"this runs as root, who may read more than the user {user_name(owner)!r}, who runs mailsluice",
            remedy=f"check as that user: `{invocation.again_as(owner)}`",
            denied=True,
        )
