"""A way for every user to this Python and this checkout, where they lie below a directory that is closed to others.

The way is one of a mount namespace of its own: nothing changes for any other process.
"""

from __future__ import annotations

import shlex
import stat
import subprocess
import sys
from functools import cache
from pathlib import Path

from support.program import PATIENCE, Ended, surroundings
from support.skipping import skip_or_fail

_ROOT = Path(__file__).parents[2]


def run_in_shell(line: str, *, stdin: str = "", cwd: Path = Path("/")) -> Ended:
    """Run a line as an administrator types it; what it prints is printed again.

    Users that it turns into can run what we can run.
    """
    ended = subprocess.run(
        [*_with_a_way(), "sh", "-c", line],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=surroundings(),
        cwd=cwd,
    )
    print(line, ended.stdout, ended.stderr, sep="\n")
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@cache
def _with_a_way() -> list[str]:
    """The words before a command that has a way to all we need; none where there is one."""
    closed = {tree: above for tree in _needed() if (above := _closed_above(tree))}
    if not closed:
        return []
    words = ["unshare", "--mount", "sh", "-c", f'{_mounts(closed)} && exec "$@"', "sh"]
    if subprocess.run([*words, "true"], check=False, capture_output=True).returncode:
        skip_or_fail("cannot give other users a way to this Python")
    return words


def _needed() -> list[Path]:
    trees = {Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), _ROOT}
    return sorted(tree for tree in trees if not any(tree.is_relative_to(other) for other in trees - {tree}))


def _closed_above(tree: Path) -> Path | None:
    for above in reversed(tree.parents):
        if not above.stat().st_mode & stat.S_IXOTH:
            return above
    return None


def _mounts(closed: dict[Path, Path]) -> str:
    """Keep each tree, cover what is closed by an open directory, and put the trees back into it."""
    keep = [f"mkdir /mnt/{n} && mount --bind {_word(tree)} /mnt/{n}" for n, tree in enumerate(closed)]
    cover = [f"mount -t tmpfs -o mode=755 tmpfs {_word(above)}" for above in sorted(set(closed.values()))]
    back = [f"mkdir -p {_word(tree)} && mount --move /mnt/{n} {_word(tree)}" for n, tree in enumerate(closed)]
    room = "mount -t tmpfs tmpfs /mnt && mount --make-private /mnt"
    return " && ".join([room, *keep, *cover, *back, "umount /mnt"])


def _word(path: Path) -> str:
    return shlex.quote(str(path))
