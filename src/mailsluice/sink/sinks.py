"""Which sink a configuration, or a ledger's row, means.

Owns the kinds there are. Must never open or make anything: a sink does so when it is used.
"""

from __future__ import annotations

from pathlib import Path

from mailsluice.config.models import Mailbox
from mailsluice.errors import SinkError
from mailsluice.sink.maildir import Maildir
from mailsluice.sink.spool import Spool

_PRIVATE = 0o600


def open_sink(mailbox: Mailbox, owner: str) -> Spool | Maildir:
    """The sink that `mailbox` is configured to deliver to. `owner` names its staging directory."""
    config = mailbox.sink
    if config.kind == "maildir":
        return Maildir(config.path, owner=owner, mode=config.mode)
    return Spool(config.path, mailbox=mailbox.name, address=mailbox.address, owner=owner, mode=config.mode)


def sink_at(spec: str, owner: str) -> Spool | Maildir:
    """The sink that `spec` names, to publish and sweep what was staged there under another configuration.

    The ledger knows of it by its rows alone: leftovers of a former sink without any row are not known of.
    Raises SinkError for a spec of no known kind.
    """
    kind, _, path = spec.partition(":")
    if kind == "maildir":
        return Maildir(Path(path), owner=owner, mode=_PRIVATE)
    if kind == "spool":
        return Spool(Path(path), mailbox="recovered", address="", owner=owner, mode=_PRIVATE)
    raise SinkError(
        f"the ledger names a sink of unknown kind: {spec}",
        remedy="it was written by a newer mailsluice: run that version again",
    )
