"""The schema: the ledger's tables, and the steps from each older version of them.

Owns all SQL that defines tables and indexes. The file's version is `PRAGMA user_version`: the number of steps
that it has taken. Must never lose a row, nor change a file that a newer mailsluice wrote.

Written for SQLite 3.34 and later: no STRICT tables. Times are microseconds since 1970, UTC.
"""

from __future__ import annotations

import secrets
import sqlite3

from mailsluice.errors import LedgerError

_FIRST = (
    """
    CREATE TABLE ledger (
        only     INTEGER PRIMARY KEY CHECK (only = 1),
        instance TEXT NOT NULL,           -- random: identifies this ledger
        time     INTEGER,                 -- the ledger's clock when last noted; the next three: the machine's
        wall     INTEGER,
        boot     TEXT,
        uptime   INTEGER                  -- microseconds since that boot
    )
    """,
    """
    CREATE TABLE mailbox (
        id      INTEGER PRIMARY KEY,
        host    TEXT NOT NULL,
        address TEXT NOT NULL,
        writes  INTEGER NOT NULL DEFAULT 0,    -- to its messages and failures, so far
        quiet   BLOB,                          -- digest of a listing that left nothing to do,
        quiet_until  INTEGER,                  -- it is valid until then,
        quiet_writes INTEGER,                  -- and while `writes` is this number
        UNIQUE (host, address)
    )
    """,
    """
    CREATE TABLE message (
        mailbox     INTEGER NOT NULL REFERENCES mailbox (id),
        uidl        BLOB NOT NULL,
        state       TEXT NOT NULL,
        since       INTEGER NOT NULL,     -- when staged, then stored; or found oversize, or marked as seen
        gone_since  INTEGER,              -- first absent from a listing
        listed_size INTEGER,              -- what LIST said
        size        INTEGER,              -- octets; of an oversize message, those that came
        sink        TEXT,                 -- the sink's spec
        name        TEXT,                 -- the name it is published under; NULL if never stored
        identity    BLOB,                 -- what its header is known again by
        PRIMARY KEY (mailbox, uidl),
        CHECK (                           -- not IN: for more than two values SQLite makes a table each time
            state = 'staged' OR state = 'stored' OR state = 'gone' OR state = 'oversize' OR state = 'seen'
        ),
        CHECK (iif(state = 'seen', 1, (state = 'gone') = (gone_since IS NOT NULL))),
        CHECK (
            state NOT IN ('staged', 'stored')
            OR (size IS NOT NULL AND sink IS NOT NULL AND name IS NOT NULL)
        )
    ) WITHOUT ROWID
    """,
    "CREATE INDEX half_done ON message (mailbox) WHERE state = 'staged'",
    "CREATE INDEX present ON message (mailbox) WHERE gone_since IS NULL",
    "CREATE INDEX gone ON message (mailbox, gone_since) WHERE gone_since IS NOT NULL",
    """
    CREATE TABLE setback (                -- a message that could not be fetched
        mailbox     INTEGER NOT NULL REFERENCES mailbox (id),
        uidl        BLOB NOT NULL,
        failures    INTEGER NOT NULL,     -- sessions in a row that count against the message
        last        INTEGER NOT NULL,     -- when it was last tried
        error       TEXT NOT NULL,
        listed_size INTEGER,
        header      BLOB,                 -- in quarantine; NULL until the server was asked for it
        PRIMARY KEY (mailbox, uidl)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE report (
        mailbox      INTEGER PRIMARY KEY REFERENCES mailbox (id),
        next_poll    INTEGER,
        last_success INTEGER,
        failures     INTEGER NOT NULL DEFAULT 0,    -- since the last success
        last_error   TEXT NOT NULL DEFAULT '',
        total_stored INTEGER NOT NULL DEFAULT 0,
        name         TEXT,                          -- from here on: the last session; NULL before the first
        started      INTEGER,
        seconds      REAL,
        listed       INTEGER,
        fetched      INTEGER,
        stored       INTEGER,
        deleted      INTEGER,
        octets       INTEGER,
        waiting      INTEGER,
        outcome      TEXT,
        detail       TEXT
    )
    """,
)

_SECOND = (
    # 1: the UIDL may be another message's by now, until the header was asked for.
    "ALTER TABLE message ADD COLUMN doubt INTEGER NOT NULL DEFAULT 0",
    # These identities were made before identities had a version.
    "UPDATE message SET identity = NULL",
    "CREATE INDEX known_again ON message (identity, mailbox) WHERE identity IS NOT NULL",
    # Why it failed, when it was last tried by the ledger's clock, and whether whatever comes is to be stored.
    "ALTER TABLE setback ADD COLUMN kind TEXT NOT NULL DEFAULT 'refused'",
    "ALTER TABLE setback ADD COLUMN tried INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE setback ADD COLUMN take INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE ledger ADD COLUMN tidied INTEGER",
    """
    CREATE TABLE staging (                -- where a mailbox's messages are staged, or were before
        mailbox  INTEGER NOT NULL REFERENCES mailbox (id),
        sink     TEXT NOT NULL,           -- the sink's spec
        sink_id  TEXT NOT NULL,           -- the id that the sink carries
        mounts   TEXT NOT NULL,           -- a JSON array: the mount points on the way to it
        place    TEXT NOT NULL,           -- the id of the staging directory
        token    TEXT NOT NULL,           -- the token in its claim when a message was last staged
        PRIMARY KEY (mailbox, sink)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX fed ON staging (sink)",
    """
    CREATE TABLE orphan (                 -- a description in a spool whose message a consumer took
        sink  TEXT NOT NULL,
        name  TEXT NOT NULL,
        since INTEGER NOT NULL,           -- when this was first seen
        PRIMARY KEY (sink, name)
    ) WITHOUT ROWID
    """,
)

_THIRD = (
    # Whether we asked the server to delete it: if it vanishes then, it is not lost.
    "ALTER TABLE message ADD COLUMN leaving INTEGER NOT NULL DEFAULT 0",
    # Of messages that are gone already this is not known: we may have deleted them.
    "UPDATE message SET leaving = 1 WHERE state = 'gone' AND identity IS NULL",
    # When the first failure in the row was, by the ledger's clock.
    "ALTER TABLE setback ADD COLUMN first INTEGER NOT NULL DEFAULT 0",
    "UPDATE setback SET first = tried",
    "ALTER TABLE setback RENAME TO failure",
    # How many sessions said QUIT to delete messages since there was last nothing more to delete.
    "ALTER TABLE mailbox ADD COLUMN left INTEGER NOT NULL DEFAULT 0",
    # Whether the last of these got a good answer, and no message was marked for deletion since.
    "ALTER TABLE mailbox ADD COLUMN answered INTEGER NOT NULL DEFAULT 0",
    # The mailbox's `leave_on_server` at the last poll, as text; NULL before the first.
    "ALTER TABLE mailbox ADD COLUMN policy TEXT",
    # How many messages stay for another reason than policy, by reason, as JSON objects: in the quiet listing,
    # at the last poll, and what an administrator has acknowledged.
    "ALTER TABLE mailbox ADD COLUMN quiet_held TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE report ADD COLUMN held TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE report ADD COLUMN acknowledged TEXT NOT NULL DEFAULT '{}'",
    """
    CREATE INDEX lost ON message (mailbox, identity)
    WHERE (gone_since IS NOT NULL OR doubt = 1) AND leaving = 0
    """,
)


def _time(column: str) -> str:
    """From 1970 to the year 9000: no age or date that is computed from it leaves the range of datetime."""
    return f"(typeof({column}) = 'integer' AND {column} BETWEEN 0 AND 221845392000000000)"


def _number(*columns: str) -> str:
    return " AND ".join(f"typeof({column}) = 'integer'" for column in columns)


_SOUND = {
    "ledger": f"""
        typeof(instance) = 'text' AND (time IS NULL OR (
            {_time("time")} AND {_time("wall")} AND typeof(boot) = 'text' AND {_time("uptime")}
        )) AND (tidied IS NULL OR {_time("tidied")})
    """,
    "mailbox": f"""
        typeof(host) = 'text' AND typeof(address) = 'text' AND {_number("writes")} AND (quiet IS NULL OR (
            typeof(quiet) = 'blob' AND {_time("quiet_until")} AND {_number("quiet_writes")}
        ))
    """,
    "message": f"""
        typeof(uidl) = 'blob' AND {_time("since")} AND gone_since IS NULL
        AND (listed_size IS NULL OR {_number("listed_size")}) AND typeof(identity) IN ('null', 'blob')
        AND {_number("size")} AND typeof(sink) = 'text' AND typeof(name) = 'text'
        AND name NOT IN ('', '.', '..') AND instr(name, '/') = 0 AND instr(name, char(0)) = 0
    """,
    "failure": f"""
        typeof(uidl) = 'blob' AND {_number("failures")} AND {_time("last")} AND typeof(error) = 'text'
        AND (listed_size IS NULL OR {_number("listed_size")}) AND typeof(header) IN ('null', 'blob')
        AND typeof(kind) = 'text' AND kind IN (
            'refused', 'broke', 'removed', 'substitute', 'silent', 'unrecognised', 'undeleted'
        )
        AND {_time("tried")} AND {_time("first")} AND {_number("take")}
    """,
    "staging": """
        typeof(sink) = 'text' AND typeof(sink_id) = 'text' AND typeof(place) = 'text'
        AND typeof(token) = 'text'
        AND json_valid(mounts) AND json_type(mounts) = 'array'
    """,
    "orphan": f"typeof(sink) = 'text' AND typeof(name) = 'text' AND {_time('since')}",
    "report": f"""
        {_number("failures", "total_stored")} AND typeof(last_error) = 'text'
        AND typeof(name) IN ('text', 'null') AND json_valid(held) AND json_valid(acknowledged)
        AND (next_poll IS NULL OR {_time("next_poll")}) AND (last_success IS NULL OR {_time("last_success")})
        AND (started IS NULL OR (
            {_time("started")} AND typeof(name) = 'text' AND typeof(seconds) = 'real'
            AND {_number("listed", "fetched", "stored", "deleted", "octets", "waiting")}
            AND typeof(outcome) = 'text' AND typeof(detail) = 'text'
        ))
    """,
}
"""True of every row that mailsluice wrote; for `message`, of every row that is `staged`."""

_STEPS = (_FIRST, _SECOND, _THIRD)
"""The statements of each step. Never change a step that was released: add a new one."""

VERSION = len(_STEPS)


def version(connection: sqlite3.Connection) -> int:
    """The version of the open file; 0 if it was just made. Raises LedgerError if it is newer than ours."""
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > VERSION:
        raise LedgerError(
            f"the ledger has version {found}, and this mailsluice knows {VERSION}: a newer one wrote it",
            remedy="run the newer mailsluice, or restore the state directory from before the update",
        )
    if found < 0:
        raise LedgerError(
            f"the ledger has version {found}, which no mailsluice writes",
            remedy="find out what changed the file, and restore the state directory from a backup",
        )
    return found


def spoiled(connection: sqlite3.Connection) -> str:
    """The first table that has a row no mailsluice wrote; empty if there is none.

    SQLite keeps any type in any column, and notices only the worst damage. Without this check, recovery would
    believe a damaged row. There may be a million messages: only those that are `staged` are looked at here,
    and `rows` checks the others when they are read.
    """
    (ledgers,) = connection.execute("SELECT count(*) FROM ledger").fetchone()
    if ledgers != 1:
        return "ledger"
    for table, sound in _SOUND.items():
        rows = f"{table} WHERE state = 'staged' AND" if table == "message" else f"{table} WHERE"
        if connection.execute(f"SELECT 1 FROM {rows} ({sound}) IS NOT 1").fetchone():  # noqa: S608  ours
            return table
    return ""


def migrate(connection: sqlite3.Connection) -> None:
    """Take every step that the file has not taken yet, in the caller's transaction. Raises LedgerError."""
    found = version(connection)
    for statements in _STEPS[found:]:
        for statement in statements:
            connection.execute(statement)
    if found == 0:
        connection.execute("INSERT INTO ledger (only, instance) VALUES (1, ?)", (secrets.token_hex(16),))
    if found != VERSION:
        connection.execute(f"PRAGMA user_version = {VERSION:d}")
