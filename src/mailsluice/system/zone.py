"""The zone: local time, as the C library finds it by TZ and /etc/localtime.

Owns where the rules are read. Rules that cannot be read are an error here: the C library would silently use
UTC. Must never keep anything: to notice a change, a caller asks again (docs/adr/0018-local-time.md).
"""

from __future__ import annotations

import os
import re
import stat
import struct
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

LOCALTIME = Path("/etc/localtime")
"""The machine's zone (localtime(5)): usually a link that says its name; in a container, a mounted file."""

_DIRECTORY = "/usr/share/zoneinfo"
_LONGEST = 1024 * 1024
"""The most octets read from a zone's file. Real ones have less than 4 KiB."""

_RULE = re.compile(r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)[+-]?[0-9]")
"""The beginning of a rule (POSIX, "TZ"): an abbreviation, and its offset from UTC."""

_NOT_UNDERSTOOD = (ValueError, IndexError, TypeError, OverflowError, AssertionError, EOFError, struct.error)
"""What zoneinfo raises for a file that is no zone's file, or only a part of one."""


class ZoneError(Exception):
    """Local time is not known. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Zone:
    """Local time: its name, and its rules as a zone's file has them (RFC 8536)."""

    name: str
    rules: bytes

    @property
    def tzinfo(self) -> tzinfo:
        """The zone as datetime uses it."""
        return _understood(self.rules)


def local_zone() -> Zone:
    """The zone that the C library uses, as tzset(3) has it. Raises ZoneError."""
    tz = os.environ.get("TZ")
    if tz is None:
        return _of_machine()
    named = tz.removeprefix(":")  # POSIX: a colon, then what the implementation defines. glibc ignores it
    if not named:
        return _utc("UTC, because TZ is empty")
    path = Path(os.environ.get("TZDIR") or _DIRECTORY, named)
    if os.path.exists(path):  # noqa: PTH110  Path.exists raises OSError: this may be any text
        return _checked(f"{named}, by TZ", path, "TZ")
    if not _RULE.match(named):
        raise ZoneError(f"TZ: there is no time zone {path}; {_remedy('TZ')}")
    return _of_rule(named)


def _of_machine() -> Zone:
    if not os.path.lexists(LOCALTIME):
        return _utc(f"UTC, because there is no {LOCALTIME}")
    if not LOCALTIME.is_symlink():
        return _checked(str(LOCALTIME), LOCALTIME, str(LOCALTIME))
    _, _, name = str(LOCALTIME.readlink()).rpartition("zoneinfo/")
    return _checked(f"{name}, by {LOCALTIME}", LOCALTIME, str(LOCALTIME))


def _checked(name: str, path: Path, named_by: str) -> Zone:
    """The zone in this file. `named_by`, TZ or /etc/localtime, is where an error sends people."""
    zone = Zone(name, _octets(path, named_by))
    try:
        zone.tzinfo.utcoffset(datetime(2024, 1, 1))  # noqa: DTZ001  local time is what is asked about
    except _NOT_UNDERSTOOD as exc:
        raise ZoneError(f"{named_by}: {path} is not the file of a time zone; {_remedy(named_by)}") from exc
    return zone


def _octets(path: Path, named_by: str) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its writer
            raise ZoneError(f"{named_by}: {path} is not the file of a time zone; {_remedy(named_by)}")
        with path.open("rb") as file:
            return file.read(_LONGEST)
    except OSError as exc:
        raise ZoneError(f"{named_by}: {path} cannot be read: {exc.strerror}; {_remedy(named_by)}") from exc


def _remedy(named_by: str) -> str:
    if named_by == "TZ":
        return "install tzdata, and set TZ to the name of your zone, such as Europe/Berlin"
    return (
        f"install tzdata, and make it a link to your zone, such as: "
        f"ln -sfn {_DIRECTORY}/Europe/Berlin {LOCALTIME}"
    )


def _of_rule(rule: str) -> Zone:
    """The zone of a rule. A rule with summer time must have its dates: the C library would guess them."""
    zone = Zone(f"{rule}, by TZ", _as_file(rule))
    try:
        zone.tzinfo.utcoffset(datetime(2024, 1, 1))  # noqa: DTZ001  as above
    except _NOT_UNDERSTOOD as exc:
        raise ZoneError(
            f"TZ: {rule} is not a whole rule for local time; write it like CET-1CEST,M3.5.0,M10.5.0/3, or "
            "set TZ to the name of your zone, such as Europe/Berlin"
        ) from exc
    return zone


def _utc(name: str) -> Zone:
    return Zone(name, _as_file("UTC0"))


def _as_file(rule: str) -> bytes:
    """A zone's file with only this rule (RFC 8536 §3): version 2, one type, no transitions."""
    header = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 1)
    only_type = struct.pack(">lBB", 0, 0, 0) + b"\0"
    return (header + only_type) * 2 + b"\n" + os.fsencode(rule) + b"\n"


class _Whole(BytesIO):
    """A file that raises EOFError at its end: zoneinfo would look for the end of the last line for ever."""

    def read(self, size: int | None = -1, /) -> bytes:
        octets = super().read(size)
        if size is not None and len(octets) < size:
            raise EOFError
        return octets


@lru_cache(maxsize=4)
def _understood(rules: bytes) -> ZoneInfo:
    return ZoneInfo.from_file(_Whole(rules))
