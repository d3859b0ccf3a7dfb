"""Returning: which new messages are stored ones, which vanished and came back under another UIDL.

Owns how a header tells. A clerk files mail away and back; a mailbox is moved, and all its messages have new
UIDLs. Must never ask the server.
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
    """What may come back to one mailbox, as its ledger has it. Safe among threads.

    `found` is how many did.
    """

    def __init__(self, ledger: Ledger, key: MailboxKey) -> None:
        self.found = 0
        self._lost, self._now = ledger.lost, ledger.now
        self._key = key
        self._back: dict[bytes, Listed] = {}
        self._lock = threading.Lock()

    @cached_property
    def possible(self) -> bool:
        """Whether anything may come back: asked for once the ledger knows the listing."""
        return self._lost.any(self._key)

    @cached_property
    def _since(self) -> datetime | None:
        """What arrived before is held if it is not known again; None where all is known by something."""
        return self._lost.there_until(self._key) if self._lost.mostly_nameless(self._key) else None

    def is_back(self, listed: Listed, header: Header) -> bool:
        """Whether this new message is a lost one. That is noted by `conclude`.

        Raises Unrecognised where nothing can tell, and it is older than the last poll that went well.
        """
        if not self.possible:
            return False
        if self.is_known(listed, identity(header)):
            return True
        if self._since is not None and (arrived := _arrival(header)) and arrived < self._since:
            raise Unrecognised(
                "more than half of the messages known vanished, of which nothing is noted that they would be "
                "known again by; this one may be one of them",
                phase=Phase.RETRIEVE,
            )
        return False

    def is_known(self, listed: Listed, who: bytes | None) -> bool:
        """Whether a lost message has this identity, and this is it then."""
        if who is None or not is_strong(who):
            return False
        with self._lock:
            old = self._lost.find(self._key, who)
            if old is None or old in self._back:
                return False
            self._back[old] = listed
        return True

    def conclude(self) -> None:
        """Have the ledger note what came back. Raises LedgerError."""
        with self._lock:
            back, self._back = self._back, {}
            self._lost.come_back(self._key, back, self._now())
            self.found += len(back)


def _arrival(header: Header) -> datetime | None:
    """The time in the topmost Received line, which the last server wrote; None where there is none."""
    line = header.first("received")
    if line is None:
        return None
    try:
        found = parsedate_to_datetime(line.rpartition(b";")[2].decode("ascii", "replace").strip())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
