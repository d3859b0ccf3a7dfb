"""What lies in the staging directories of a sink."""

from __future__ import annotations

from pathlib import Path

_OWN = {"claim"}
"""What stands there besides mail."""


def staged_in(place: Path) -> list[Path]:
    """The files of messages in any staging directory of the sink at `place`."""
    return sorted(path for path in place.glob("*staging/*/*") if path.is_file() and path.name not in _OWN)


def staging_of(place: Path) -> Path:
    """The one staging directory of the sink at `place`."""
    (found,) = [path for path in place.glob("*staging/*") if path.is_dir()]
    return found


def remove_locks(place: Path) -> None:
    """What somebody does who takes a mailbox for stuck: remove the lock files of the sink at `place`."""
    for path in [*place.glob("*staging/*/claim"), *place.glob("*staging/*.turn")]:
        path.unlink()
