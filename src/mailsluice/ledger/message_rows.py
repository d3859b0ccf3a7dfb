"""The rows of messages: staged → stored → gone → pruned, and what else may become of one.

Owns every statement that changes a message's row: `messages`, `lost` and `aliases` share them. Works inside
the caller's transaction, for a mailbox that is `touched` in it. Must never touch the messages themselves.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from mailsluice.ledger.times import to_micros
from mailsluice.model import Confirmation, Listed, MailboxKey, Memory, Staged, State, Stored

GRACE = timedelta(days=30)
"""How long a row outlives its message: a listing may lack a message for a while and show it again."""

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
"""Before a UIDL, makes one that no server has: the listing's parser takes none so long."""
_DISPLACED = b"\0" + bytes(2048)
"""The same, of a message whose UIDL another one has now."""
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
    """What a listing changes: rows that are gone now, that are back, and that are not kept any longer.

    `still_there` are those that we asked the server to delete.
    """

    gone: Sequence[bytes]
    back: Sequence[bytes]
    unsure: Sequence[bytes]
    """Those whose UIDLs may be another message's, or which may have another."""
    undeleted: Sequence[bytes]
    """Those of the gone ones that we asked the server to delete in sessions that came to no good QUIT."""
    still_there: Sequence[bytes]
    pruned: Sequence[bytes]
    settled: Collection[bytes]
    """Messages that could not be fetched, and are not listed any more."""

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) for each in fields(self))


def record(
    connection: sqlite3.Connection, mailbox: int, staged: Sequence[Staged], sink: str, now: datetime
) -> int:
    """Write the rows as `staged`; how many were. A row whose message is gone, or was too large, gives way."""
    since = to_micros(now)
    rows = [
        (mailbox, new.uidl, since, new.listed_size, new.size, sink, new.name, new.identity) for new in staged
    ]
    return connection.executemany(_RECORD, rows).rowcount


def commit(
    connection: sqlite3.Connection, mailbox: int, stored: Sequence[Stored], now: datetime, *, leaving: bool
) -> int:
    """Turn the rows into `stored`; how many were. `leaving`: they are about to be deleted."""
    since = to_micros(now)
    rows = [(since, leaving, mailbox, new.uidl, new.name) for new in stored]
    return connection.executemany(_COMMIT, rows).rowcount


def take_back(connection: sqlite3.Connection, mailbox: int, staged: Sequence[Staged]) -> None:
    """Forget these, as far as they are still `staged` under this name: they were never published."""
    connection.executemany(_TAKE_BACK, [(mailbox, each.uidl, each.name) for each in staged])


def recognised(connection: sqlite3.Connection, mailbox: int, messages: Collection[Listed]) -> None:
    """Note that these are the messages that the rows of their UIDLs are of: nothing is in doubt with them."""
    connection.executemany(_RECOGNISED, [(each.size, mailbox, each.uidl) for each in messages])


def identify(connection: sqlite3.Connection, mailbox: int, identities: Mapping[bytes, bytes]) -> None:
    """Note what these messages are known again by, by UIDL; empty where their headers tell nothing."""
    rows = [(identity, mailbox, uidl) for uidl, identity in identities.items()]
    connection.executemany(_IDENTIFY, rows)


def doubt(connection: sqlite3.Connection, mailbox: int) -> None:
    """Put every row in doubt whose message is listed: its header is asked before anything is done with it."""
    connection.execute(_DOUBT, (mailbox,))


def gone(connection: sqlite3.Connection, mailbox: int, uidls: Collection[bytes], since: datetime) -> None:
    """Note that these messages are gone, since when, though another may have the UIDL."""
    connection.executemany(_GONE, [(to_micros(since), mailbox, uidl) for uidl in uidls])


def leave(connection: sqlite3.Connection, mailbox: int, uidls: Collection[bytes]) -> None:
    """Note that we ask the server to delete these."""
    connection.executemany(_LEAVE, [(mailbox, uidl) for uidl in uidls])


def stays(connection: sqlite3.Connection, mailbox: int, uidls: Collection[bytes]) -> None:
    """Note that these stored messages stay on the server for ever."""
    connection.executemany(_STAYS, [(mailbox, uidl) for uidl in uidls])


def changes(memory: Memory, listing: Confirmation) -> Changes:
    """What a listing changes.

    Only the known ones of the listed UIDLs are looked at: there may be 100,000. Where the listing is not
    whole, what is absent may be there all the same, unless the server was asked to delete it: it is in doubt
    if the listing `has_all` lines.
    """
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
    """Whether anything is gone for longer than GRACE."""
    row = (key.host, key.address, to_micros(now - GRACE))
    return connection.execute(_HAS_LONG_GONE, row).fetchone() is not None


def apply(connection: sqlite3.Connection, mailbox: int, changed: Changes, now: datetime) -> None:
    """Make these changes, and prune what is gone for longer than GRACE."""
    gone(connection, mailbox, changed.gone, now)
    connection.executemany(_BACK, [(mailbox, uidl) for uidl in changed.back])
    connection.executemany(_DOUBT_ONE, [(mailbox, uidl) for uidl in changed.unsure])
    staying = (*changed.still_there, *changed.undeleted)
    connection.executemany(_STILL_THERE, [(mailbox, uidl) for uidl in staying])
    connection.executemany(_PRUNE, [(mailbox, uidl) for uidl in changed.pruned])
    connection.execute(_PRUNE_LONG_GONE, (mailbox, to_micros(now - GRACE)))


def rename(connection: sqlite3.Connection, mailbox: int, renamed: Mapping[bytes, Listed]) -> None:
    """Put new UIDLs in the place of old ones.

    A new UIDL may be the old one of another message. That is renamed, too; or gone, and known by its identity
    alone from then on.
    """
    taken = {new.uidl for new in renamed.values()}
    displaced = taken - renamed.keys()
    connection.executemany(_PRUNE_OVERSIZE, [(mailbox, uidl) for uidl in displaced])
    connection.executemany(_DISPLACE, [(_DISPLACED + uidl, mailbox, uidl) for uidl in displaced])
    connection.executemany(_PARK, [(_PARKED + old, mailbox, old) for old in renamed])
    rows = [(new.uidl, new.size, mailbox, _PARKED + old) for old, new in renamed.items()]
    connection.executemany(_RENAME, rows)


def forget_nameless(connection: sqlite3.Connection, mailbox: int, now: datetime) -> None:
    """Take the UIDLs of what was marked as seen, and has nothing else to be known by, for no message's."""
    connection.execute(_DISPLACE_NAMELESS, (_DISPLACED, to_micros(now), mailbox))


def mark_seen(
    connection: sqlite3.Connection, mailbox: int, messages: Collection[Listed], now: datetime
) -> int:
    """Remember that these are never to be fetched nor deleted, but for what is stored; how many they are."""
    rows = [(mailbox, each.uidl, to_micros(now), each.size) for each in messages]
    return connection.executemany(_SEEN, rows).rowcount


def note_oversize(
    connection: sqlite3.Connection, mailbox: int, octets: Mapping[Listed, int], now: datetime
) -> None:
    """Remember that these were too large, in the place of what was known under their UIDLs but half done."""
    rows = [(mailbox, each.uidl, to_micros(now), each.size, size) for each, size in octets.items()]
    connection.executemany(_OVERSIZE, rows)
