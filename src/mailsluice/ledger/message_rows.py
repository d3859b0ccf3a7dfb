"""The rows of messages: staged → stored → gone → pruned, and all other changes of a row.

Owns every statement that changes a message's row; `messages`, `lost` and `aliases` share them. Each function
works in the caller's transaction, in which the mailbox was `touched`. Must never touch a message itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from mailsluice.ledger.times import to_micros
from mailsluice.model import Confirmation, Listed, MailboxKey, Memory, Staged, State, Stored

GRACE = timedelta(days=30)
"""How long a row is kept after its message is gone: a listing may omit a message and show it again later."""

_RECORD = """
    INSERT INTO message (mailbox, uidl, state, since, listed_size, size, sink, name, identity)
    VALUES (?, ?, 'staged', ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
        state = 'staged', since = excluded.since, gone_since = NULL, listed_size = excluded.listed_size,
        size = excluded.size, sink = excluded.sink, name = excluded.name, identity = excluded.identity,
        doubt = 0, leaving = 0
    WHERE state = 'oversize' OR gone_since IS NOT NULL
"""
_COMMIT = """
    UPDATE message SET state = 'stored', since = ?, leaving = ?
    WHERE mailbox = ? AND uidl = ? AND name = ? AND state = 'staged'
"""
_GONE = """
    UPDATE message SET state = iif(state = 'seen', 'seen', 'gone'), gone_since = ?
    WHERE mailbox = ? AND uidl = ? AND state IN ('stored', 'gone', 'seen')
"""
_BACK = """
    UPDATE message SET state = iif(state = 'seen', 'seen', 'stored'), gone_since = NULL, doubt = 1
    WHERE mailbox = ? AND uidl = ?
"""
_TAKE_BACK = "DELETE FROM message WHERE mailbox = ? AND uidl = ? AND name = ? AND state = 'staged'"
_IDENTIFY = "UPDATE message SET identity = ? WHERE mailbox = ? AND uidl = ? AND identity IS NULL"
_RECOGNISED = """
    UPDATE message SET state = iif(state = 'seen', 'seen', 'stored'), gone_since = NULL, doubt = 0,
        listed_size = ifnull(?, listed_size)
    WHERE mailbox = ? AND uidl = ? AND state IN ('stored', 'gone', 'seen')
"""
_DOUBT = "UPDATE message INDEXED BY present SET doubt = 1 WHERE mailbox = ? AND gone_since IS NULL"
_DOUBT_ONE = "UPDATE message SET doubt = 1 WHERE mailbox = ? AND uidl = ?"
_LEAVE = "UPDATE message SET leaving = 1 WHERE mailbox = ? AND uidl = ?"
_STILL_THERE = "UPDATE message SET leaving = 0 WHERE mailbox = ? AND uidl = ?"
_STAYS = "UPDATE message SET state = 'seen', leaving = 0 WHERE mailbox = ? AND uidl = ? AND state = 'stored'"
_RENAME = """
    UPDATE message
    SET uidl = ?, listed_size = ifnull(?, listed_size), state = iif(state = 'seen', 'seen', 'stored'),
        gone_since = NULL, doubt = 0
    WHERE mailbox = ? AND uidl = ? AND state IN ('stored', 'gone', 'seen')
"""
_PARK = "UPDATE message SET uidl = ? WHERE mailbox = ? AND uidl = ?"
_PARKED = bytes(2048)
"""Put before a UIDL, it makes one that no server can have: the listing's parser accepts none so long."""
_DISPLACED = b"\0" + bytes(2048)
"""The same, for good, for a message whose UIDL belongs to another message now."""
_SEEN = """
    INSERT INTO message (mailbox, uidl, state, since, listed_size) VALUES (?, ?, 'seen', ?, ?)
    ON CONFLICT DO UPDATE SET
        state = 'seen', since = excluded.since, gone_since = NULL, listed_size = excluded.listed_size
    WHERE state = 'oversize' OR gone_since IS NOT NULL
"""
_PRUNE = "DELETE FROM message WHERE mailbox = ? AND uidl = ?"
_PRUNE_LONG_GONE = "DELETE FROM message WHERE mailbox = ? AND gone_since < ?"
_HAS_LONG_GONE = """
    SELECT 1 FROM message
    WHERE mailbox = (SELECT id FROM mailbox WHERE host = ? AND address = ?) AND gone_since < ?
"""
_PRUNE_OVERSIZE = "DELETE FROM message WHERE mailbox = ? AND uidl = ? AND state = 'oversize'"
_DISPLACE = "UPDATE OR REPLACE message SET uidl = ? WHERE mailbox = ? AND uidl = ? AND gone_since IS NOT NULL"
_DISPLACE_NAMELESS = """
    UPDATE message SET uidl = CAST(? || uidl AS BLOB), gone_since = ?
    WHERE mailbox = ? AND state = 'seen' AND (identity IS NULL OR identity = x'')
"""
_OVERSIZE = """
    INSERT INTO message (mailbox, uidl, state, since, listed_size, size) VALUES (?, ?, 'oversize', ?, ?, ?)
    ON CONFLICT DO UPDATE SET
        since = iif(state = 'oversize', since, excluded.since),
        state = 'oversize', gone_since = NULL, listed_size = excluded.listed_size, size = excluded.size
    WHERE state != 'staged'
"""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a listing changes in the ledger, as UIDLs."""

    gone: Sequence[bytes]
    """Rows whose messages are gone now."""
    back: Sequence[bytes]
    """Rows that were gone, and whose UIDLs are listed again."""
    unsure: Sequence[bytes]
    """Rows that are in doubt now: another message may have the UIDL, or the message another UIDL."""
    undeleted: Sequence[bytes]
    """Rows of `gone` that we asked to delete, but QUIT got no good answer: they count as lost."""
    still_there: Sequence[bytes]
    """Listed rows whose messages the server was asked to delete."""
    pruned: Sequence[bytes]
    """Rows that are not kept any longer."""
    settled: Collection[bytes]
    """Messages that could not be fetched, and are not listed any more: their failures are forgotten."""

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))


def record(
    connection: sqlite3.Connection, mailbox: int, staged: Sequence[Staged], sink: str, now: datetime
) -> int:
    """Write the rows as `staged`. Returns how many were written.

    A row with the same UIDL is overwritten if its message is gone, or was too large. Any other row is kept.
    """
    since = to_micros(now)
    rows = [
        (mailbox, new.uidl, since, new.listed_size, new.size, sink, new.name, new.identity) for new in staged
    ]
    return connection.executemany(_RECORD, rows).rowcount


def commit(
    connection: sqlite3.Connection, mailbox: int, stored: Sequence[Stored], now: datetime, *, leaving: bool
) -> int:
    """Turn the rows into `stored`. Returns how many there were. `leaving`: they are about to be deleted."""
    since = to_micros(now)
    rows = [(since, leaving, mailbox, new.uidl, new.name) for new in stored]
    return connection.executemany(_COMMIT, rows).rowcount


def take_back(connection: sqlite3.Connection, mailbox: int, staged: Sequence[Staged]) -> None:
    """Forget those of these rows that are still `staged` under this name: they were never published."""
    connection.executemany(_TAKE_BACK, [(mailbox, message.uidl, message.name) for message in staged])


def recognised(connection: sqlite3.Connection, mailbox: int, messages: Collection[Listed]) -> None:
    """Note that these messages are the ones of their rows, so that their rows are no longer in doubt."""
    connection.executemany(_RECOGNISED, [(message.size, mailbox, message.uidl) for message in messages])


def identify(connection: sqlite3.Connection, mailbox: int, identities: Mapping[bytes, bytes]) -> None:
    """Note the identities of these messages, by UIDL; an empty one if the header gives none."""
    rows = [(identity, mailbox, uidl) for uidl, identity in identities.items()]
    connection.executemany(_IDENTIFY, rows)


def doubt(connection: sqlite3.Connection, mailbox: int) -> None:
    """Put in doubt every row whose message is listed: its header is asked for before anything is done."""
    connection.execute(_DOUBT, (mailbox,))


def gone(connection: sqlite3.Connection, mailbox: int, uidls: Collection[bytes], since: datetime) -> None:
    """Note that these messages are gone since `since`. Another message may have the UIDL now."""
    connection.executemany(_GONE, [(to_micros(since), mailbox, uidl) for uidl in uidls])


def leave(connection: sqlite3.Connection, mailbox: int, uidls: Collection[bytes]) -> None:
    """Note that we ask the server to delete these."""
    connection.executemany(_LEAVE, [(mailbox, uidl) for uidl in uidls])


def stays(connection: sqlite3.Connection, mailbox: int, uidls: Collection[bytes]) -> None:
    """Note that these stored messages stay on the server for ever."""
    connection.executemany(_STAYS, [(mailbox, uidl) for uidl in uidls])


def changes(memory: Memory, listing: Confirmation) -> Changes:
    """What a listing changes; see `session.ports.Messages.confirm` for the rules."""
    # A listing may have 100,000 UIDLs: only those that the ledger knows are kept for the loop.
    matters = memory.known.keys() | memory.failures.keys()
    listed = {uidl for uidl in listing.listed if uidl in matters}
    reused, is_whole, has_all = listing.reused, listing.is_whole, listing.has_all
    gone, back, unsure, still_there, pruned = [], [], [], [], []
    for uidl, row in memory.known.items():
        if uidl in listed and uidl not in reused:
            if row.gone_since is not None:
                back.append(uidl)
            if row.leaving:
                still_there.append(uidl)
        elif not is_whole and not row.leaving and uidl not in reused:
            is_there = row.gone_since is None and row.state in {State.STORED, State.SEEN}
            if has_all and is_there and not row.doubt:
                unsure.append(uidl)
        elif row.gone_since is None and row.state in {State.STORED, State.SEEN}:
            gone.append(uidl)
        elif row.state is State.OVERSIZE:
            pruned.append(uidl)
    settled = [uidl for uidl in memory.failures if has_all and uidl not in listed]
    undeleted = [uidl for uidl in gone if memory.known[uidl].leaving and not memory.answered]
    unsure += _undoubted(memory, listing.doubtful)
    return Changes(gone, back, unsure, undeleted, still_there, pruned, settled)


def _undoubted(memory: Memory, doubtful: Collection[bytes]) -> list[bytes]:
    """Those of these UIDLs whose rows are not in doubt yet."""
    return [uidl for uidl in doubtful if uidl in memory.known and not memory.known[uidl].doubt]


def has_long_gone(connection: sqlite3.Connection, key: MailboxKey, now: datetime) -> bool:
    """Whether any message of the mailbox is gone for longer than GRACE."""
    row = (key.host, key.address, to_micros(now - GRACE))
    return connection.execute(_HAS_LONG_GONE, row).fetchone() is not None


def apply(connection: sqlite3.Connection, mailbox: int, changed: Changes, now: datetime) -> None:
    """Make these changes, and prune the rows that are gone for longer than GRACE."""
    gone(connection, mailbox, changed.gone, now)
    connection.executemany(_BACK, [(mailbox, uidl) for uidl in changed.back])
    connection.executemany(_DOUBT_ONE, [(mailbox, uidl) for uidl in changed.unsure])
    staying = (*changed.still_there, *changed.undeleted)
    connection.executemany(_STILL_THERE, [(mailbox, uidl) for uidl in staying])
    connection.executemany(_PRUNE, [(mailbox, uidl) for uidl in changed.pruned])
    connection.execute(_PRUNE_LONG_GONE, (mailbox, to_micros(now - GRACE)))


def rename(connection: sqlite3.Connection, mailbox: int, renamed: Mapping[bytes, Listed]) -> None:
    """Give rows new UIDLs in the place of old ones. `renamed` has the listed message for each old UIDL.

    A new UIDL may be the old UIDL of another message. This message is renamed, too; or it must be gone, and
    is found by its identity alone from now on.
    """
    taken = {new.uidl for new in renamed.values()}
    displaced = taken - renamed.keys()
    connection.executemany(_PRUNE_OVERSIZE, [(mailbox, uidl) for uidl in displaced])
    connection.executemany(_DISPLACE, [(_DISPLACED + uidl, mailbox, uidl) for uidl in displaced])
    # In two steps: messages may swap their UIDLs, and no two rows may have the same UIDL in between.
    connection.executemany(_PARK, [(_PARKED + old, mailbox, old) for old in renamed])
    rows = [(new.uidl, new.size, mailbox, _PARKED + old) for old, new in renamed.items()]
    connection.executemany(_RENAME, rows)


def forget_nameless(connection: sqlite3.Connection, mailbox: int, now: datetime) -> None:
    """Take their UIDLs from messages that were marked as seen and have no identity.

    These UIDLs decide nothing any more: the ledger does not know which messages they stand for.
    """
    connection.execute(_DISPLACE_NAMELESS, (_DISPLACED, to_micros(now), mailbox))


def mark_seen(
    connection: sqlite3.Connection, mailbox: int, messages: Collection[Listed], now: datetime
) -> int:
    """Note that these messages, except stored ones, are never fetched nor deleted. Returns how many."""
    rows = [(mailbox, message.uidl, to_micros(now), message.size) for message in messages]
    return connection.executemany(_SEEN, rows).rowcount


def note_oversize(
    connection: sqlite3.Connection, mailbox: int, octets: Mapping[Listed, int], now: datetime
) -> None:
    """Note that these messages of so many octets were too large. Rows that are `staged` stay as they are."""
    rows = [(mailbox, message.uidl, to_micros(now), message.size, size) for message, size in octets.items()]
    connection.executemany(_OVERSIZE, rows)
