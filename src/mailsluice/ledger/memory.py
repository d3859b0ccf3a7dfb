"""The memory: what the ledger knows of a mailbox's messages, as values for those who decide.

Owns the reading of message rows: all rows of a mailbox, or those that matter for one listing. Must never
write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from mailsluice.ledger import failures, mailboxes
from mailsluice.ledger.rows import DamagedRow, octets, text, whole
from mailsluice.ledger.times import from_micros
from mailsluice.message.recognition import Evidence
from mailsluice.model import Known, MailboxKey, Memory, Staged, State

_COLUMNS = """
    SELECT uidl, state, since, gone_since, listed_size, iif(state = 'oversize', size, NULL), doubt,
        identity IS NOT NULL, leaving
    FROM message
"""
_OF_MAILBOX = "WHERE mailbox = (SELECT id FROM mailbox WHERE host = ? AND address = ?)"
_ALL = f"{_COLUMNS} {_OF_MAILBOX}"
_PRESENT = f"{_COLUMNS} INDEXED BY present {_OF_MAILBOX} AND gone_since IS NULL"
_HALF_DONE = f"""
    SELECT sink, uidl, name, size, listed_size, identity FROM message INDEXED BY half_done
    {_OF_MAILBOX} AND state = 'staged'
    ORDER BY name
"""  # noqa: S608  constants
_STORED = f"SELECT uidl FROM message {_OF_MAILBOX} AND state = 'stored' AND doubt = 0"  # noqa: S608  constants
_NAMES = f"SELECT uidl, name FROM message {_OF_MAILBOX}"  # noqa: S608  constants
_EVIDENCE = f"""
    SELECT uidl, identity, NOT EXISTS (
        SELECT 1 FROM message AS two INDEXED BY known_again
        WHERE two.identity = one.identity AND two.mailbox = one.mailbox AND two.uidl != one.uidl
    )
    FROM message AS one {_OF_MAILBOX} AND identity IS NOT NULL AND identity != x''
"""  # noqa: S608  constants
_IDENTITIES = f"SELECT uidl, identity FROM message {_OF_MAILBOX} AND typeof(identity) = 'blob'"  # noqa: S608
_MOST_ASKED = 500
"""UIDLs that one query asks for: some builds of SQLite take no more than 999 values."""


def known(connection: sqlite3.Connection, key: MailboxKey) -> dict[bytes, Known]:
    """Every message of this mailbox that the ledger remembers, by UIDL."""
    return _values(connection.execute(_ALL, (key.host, key.address)))


def half_done(connection: sqlite3.Connection, key: MailboxKey) -> dict[str, tuple[Staged, ...]]:
    """The rows still `staged`, by sink spec, in the order of their names."""
    found: dict[str, list[Staged]] = {}
    for sink, uidl, name, size, listed_size, identity in connection.execute(
        _HALF_DONE, (key.host, key.address)
    ):
        staged = Staged(octets(uidl), text(name), whole(size), listed_size, identity)
        found.setdefault(text(sink), []).append(staged)
    return {sink: tuple(staged) for sink, staged in found.items()}


def recall(connection: sqlite3.Connection, key: MailboxKey, listed: Iterable[bytes]) -> Memory:
    """What is known of the listed messages, and of all messages that were in the last listing.

    Other rows are not read: a mailbox may have a million rows of messages that are gone.
    """
    # First: if another process writes between this line and the next, its write counts as a later one. Then
    # no quiet listing is noted.
    writes = mailboxes.writes(connection, key)
    rows = _values(connection.execute(_PRESENT, (key.host, key.address)))
    rows |= _values(_among(connection, _ALL, key, [uidl for uidl in listed if uidl not in rows]))
    return Memory(rows, failures.read(connection, key), writes, *mailboxes.standing(connection, key))


def stored(connection: sqlite3.Connection, key: MailboxKey, uidls: Sequence[bytes]) -> set[bytes]:
    """Those of these UIDLs that are committed as stored, and are not in doubt."""
    return {uidl for (uidl,) in _among(connection, _STORED, key, uidls)}


def evidence(
    connection: sqlite3.Connection, key: MailboxKey, uidls: Sequence[bytes]
) -> dict[bytes, Evidence]:
    """The identities of these messages, and whether no other message of the mailbox has the same one."""
    return {
        octets(uidl): Evidence(octets(found), bool(alone))
        for uidl, found, alone in _among(connection, _EVIDENCE, key, uidls)
    }


def identities(connection: sqlite3.Connection, key: MailboxKey) -> dict[bytes, bytes]:
    """The identities of a mailbox's messages, by UIDL."""
    return dict(connection.execute(_IDENTITIES, (key.host, key.address)).fetchall())


def not_named(connection: sqlite3.Connection, key: MailboxKey, names: Mapping[bytes, str]) -> list[bytes]:
    """Those of these UIDLs whose rows have another name than the given one."""
    return [uidl for uidl, name in _among(connection, _NAMES, key, tuple(names)) if name != names[uidl]]


def _among(
    connection: sqlite3.Connection, query: str, key: MailboxKey, uidls: Sequence[bytes]
) -> Iterator[Any]:
    """The rows of a query over a mailbox's messages that have one of these UIDLs."""
    for start in range(0, len(uidls), _MOST_ASKED):
        asked = uidls[start : start + _MOST_ASKED]
        marks = ", ".join("?" * len(asked))
        yield from connection.execute(f"{query} AND uidl IN ({marks})", (key.host, key.address, *asked))


_Row = tuple[bytes, str, int, int | None, int | None, int | None, int, int, int]


def _values(rows: Iterable[_Row]) -> dict[bytes, Known]:
    return {
        octets(uidl): Known(
            _STATES[state],
            _time(since),
            None if listed_size is None else whole(listed_size),
            None if gone_since is None else _time(gone_since),
            None if size is None else whole(size),
            bool(doubt),
            bool(identified),
            bool(leaving),
        )
        for uidl, state, since, gone_since, listed_size, size, doubt, identified, leaving in rows
    }


class _States(dict[object, State]):
    """The states by their words in the ledger. An unknown word is a damaged row."""

    def __missing__(self, word: object) -> State:
        raise DamagedRow


_STATES = _States({state.value: state for state in State})

_time = lru_cache(maxsize=4096)(from_micros)
"""Cached: all rows of a batch have the same time, and a mailbox may have 100,000 rows."""
