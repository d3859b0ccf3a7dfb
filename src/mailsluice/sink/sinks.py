"""The sinks: which sink a configuration, or a row of the ledger, names.

Owns the list of kinds. Must never open or make a directory: a sink does so when it is used.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mailsluice.config.models import Mailbox
from mailsluice.errors import SinkError
from mailsluice.model import Feeder, MailboxKey
from mailsluice.sink.kind import Feed
from mailsluice.sink.maildir import Maildir
from mailsluice.sink.spool import Spool

_PRIVATE = 0o600


class Sinks:
    """The sinks that one ledger feeds.

    `owner_of` gives the name of a mailbox's staging directory, which is the same in every sink.
    """

    def __init__(self, ledger: str, owner_of: Callable[[MailboxKey], str], state_dir: Path) -> None:
        self._owner_of = owner_of
        self._feeder = Feeder(ledger, socket.gethostname(), str(state_dir), MailboxKey("", ""), "")

    def open(self, mailbox: Mailbox) -> Spool | Maildir:
        """The sink that this mailbox is configured to deliver to."""
        # Any other policy keeps mail at least for a time: another ledger would store it, too.
        config, keeps = mailbox.sink, mailbox.leave_on_server is not False
        feed = replace(self._feed(mailbox.key, mailbox.name), keeps=keeps)
        if config.kind == "maildir":
            return Maildir(config.path, feed=feed, mode=config.mode)
        return Spool(config.path, address=mailbox.address, feed=feed, mode=config.mode)

    def at(self, spec: str, key: MailboxKey, section: str) -> Spool | Maildir:
        """The sink that `spec` names, to finish what was staged there under another configuration.

        `section` is the mailbox's name in commands; it is empty if the mailbox is not configured any more.
        Raises SinkError if the kind in `spec` is unknown.
        """
        kind, _, path = spec.partition(":")
        feed = self._feed(key, section)
        # The row has no mode and no address. They are not needed: nothing new is written there.
        if kind == "maildir":
            return Maildir(Path(path), feed=feed, mode=_PRIVATE)
        if kind == "spool":
            return Spool(Path(path), address="", feed=feed, mode=_PRIVATE)
        raise SinkError(
            f"the ledger names a sink of unknown kind: {spec}",
            remedy="a newer mailsluice wrote it: run that version again",
        )

    def _feed(self, key: MailboxKey, section: str) -> Feed:
        return Feed(self._owner_of(key), replace(self._feeder, mailbox=key, section=section))
