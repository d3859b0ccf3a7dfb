"""Returning: stored messages that vanished and came back under new UIDLs are recognised.

This happens if a clerk files mail away and back, or if a mailbox is moved and all its messages get new UIDLs.
Owns how a header shows it. Must never ask the server.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property

from mailsluice.errors import Phase, Unrecognised
from mailsluice.message.header import Header
from mailsluice.message.identity import identity, is_strong
from mailsluice.model import Listed, MailboxKey
from mailsluice.session.ports import Ledger


class Returning:
    """The messages that may come back to one mailbox, by the ledger. Safe among threads.

    `found` is how many came back.
    """

    def __init__(self, ledger: Ledger, key: MailboxKey) -> None:
        self.found = 0
        self._lost, self._now = ledger.lost, ledger.now
        self._key = key
        self._back: dict[bytes, Listed] = {}
        self._lock = threading.Lock()

    @cached_property
    def possible(self) -> bool:
        """Whether any message may come back. Must not be asked before the ledger has noted the listing."""
        return self._lost.any(self._key)

    @cached_property
    def _since(self) -> datetime | None:
        """A message that arrived before this and is not recognised is held; None if none has to be held."""
        return self._lost.there_until(self._key) if self._lost.mostly_nameless(self._key) else None

    def is_back(self, listed: Listed, header: Header) -> bool:
        """Whether this new message is a lost one that came back. `conclude` has the ledger note it.

        Raises Unrecognised if nothing can decide this, and the message is older than the last good poll.
        """
        if not self.possible:
            return False
        if self.is_known(listed, identity(header)):
            return True
        if self._since is not None and (arrived := _arrival(header)) and arrived < self._since:
            raise Unrecognised(
                "more than half of the known messages vanished and cannot be recognised by their headers; "
                "this message may be one of them",
                phase=Phase.RETRIEVE,
            )
        return False

    def is_known(self, listed: Listed, who: bytes | None) -> bool:
        """Whether a lost message has this identity. If so, `listed` is taken for that message."""
        if who is None or not is_strong(who):
            return False
        with self._lock:
            old = self._lost.find(self._key, who)
            if old is None or old in self._back:  # one lost message comes back once; a copy of it is new
                return False
            self._back[old] = listed
        return True

    def conclude(self) -> None:
        """Have the ledger note the messages that came back. Raises LedgerError."""
        with self._lock:
            back, self._back = self._back, {}
            self._lost.come_back(self._key, back, self._now())
            self.found += len(back)


def _arrival(header: Header) -> datetime | None:
    """The time in the topmost Received line, which the last server wrote; None if there is none.

    It is the one time in a header that the sender cannot set.
    """
    line = header.first("received")
    if line is None:
        return None
    try:
        found = parsedate_to_datetime(line.rpartition(b";")[2].decode("ascii", "replace").strip())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
