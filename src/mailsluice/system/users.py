"""Users and groups: their names, for messages to people.

Owns the look-up of names. Must never decide who may do what: that is `files.trust`.
"""

from __future__ import annotations

import grp
import pwd


def user_name(uid: int) -> str:
    """The user's name, or `#` and the number if it has no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def group_name(gid: int) -> str:
    """The group's name, or `#` and the number if it has no name."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"#{gid}"
