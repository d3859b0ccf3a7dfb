"""The names of messages on disk: unique, sortable, and safe in any shell.

Owns their forms. Pure: the time and the random part are given. Must never put anything from a message or its
UIDL into a name: a stranger chooses those.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

_SEAL = 8
"""Digits of a seal: of four billion foreign names, one is taken for ours by chance."""

_LONGEST_PART = 100
"""Characters of a mailbox's or host's name that get into a name. A whole name may have 255 octets."""


def spool_name(received: datetime, mailbox: str, token: str, ledger: str) -> str:
    """`<UTC yyyymmddThhmmssZ>-<mailbox>-<microseconds><token><seal>`, the contract's NAME.

    The names of one mailbox sort by time, to the microsecond. `token` is random hexadecimal digits. The seal
    lets a ledger recognise the names that it gave, even when it does not remember the messages any more.
    """
    at = received.astimezone(UTC)
    name = f"{at:%Y%m%dT%H%M%SZ}-{_safe(mailbox)}-{at.microsecond:06}{token}"
    return name + _seal(name, ledger)


def is_of(ledger: str, name: str) -> bool:
    """Whether `spool_name` gave this name for the ledger of this id."""
    return name[-_SEAL:] == _seal(name[:-_SEAL], ledger)


def _seal(name: str, ledger: str) -> str:
    return hashlib.sha256(f"{ledger}\0{name}".encode("utf-8", "surrogateescape")).hexdigest()[:_SEAL]


def _safe(mailbox: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", mailbox)[:_LONGEST_PART]


def maildir_base(received: datetime, *, host: str, pid: int, token: str) -> str:
    r"""A Maildir's unique name before the sizes are known. The file in staging has this name.

    It has the three parts of the maildir specification: the seconds; microseconds (M), process (P) and random
    digits (R); and the host, with unsafe characters as octal escapes (`/` is `\057`, `:` is `\072`).
    """
    middle = f"M{received.microsecond:06}P{pid}R{token}"
    return f"{int(received.timestamp())}.{middle}.{_escaped(host) or 'localhost'}"


def _escaped(host: str) -> str:
    safe = re.sub(r"[^A-Za-z0-9._-]", lambda found: _octal(found[0]), host)
    return safe[:_LONGEST_PART]


def _octal(character: str) -> str:
    return "".join(f"\\{octet:03o}" for octet in character.encode("utf-8", "surrogateescape"))


def maildir_name(base: str, *, size: int, virtual_size: int) -> str:
    """The published name: with the size on disk (S), and the size if every line end were CRLF (W).

    Readers take both from the name instead of reading the file (Maildir++; Dovecot).
    """
    return f"{base},S={size},W={virtual_size}"


def maildir_base_of(name: str) -> str:
    """The base that `maildir_name` was given. A base has no comma: commas in the host are escaped."""
    return name.partition(",")[0]
