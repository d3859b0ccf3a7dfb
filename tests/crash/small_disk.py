"""A real file system of a few MiB, to run full: on a loop device, or in memory.

Owns its mounting and what fills it. Must never be mounted where a test's end would not unmount it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from support.skipping import skip_or_fail

FORMS = ("ext4", "ext4-inodes", "tmpfs")
"""The second runs out of inodes long before it runs out of space. Blocks of ext4 are of 1 KiB, as on all small ones."""

_OCTETS = 4 * 2**20
_INODES = 120


class SmallDisk:
    """A mounted file system, and a file in it that takes up what nothing else shall have."""

    def __init__(self, path: Path, how: Sequence[str]) -> None:
        self.path = path
        self._how = how
        self._ballast = path / "ballast"

    def mount(self) -> None:
        """Have it there; where that cannot be, the test is left out."""
        _must(["/bin/mount", *self._how, str(self.path)])

    @contextmanager
    def unmounted(self) -> Iterator[None]:
        """Nothing is mounted as long as this lasts. What was in memory alone is gone by that."""
        subprocess.run(["/bin/umount", self.path], check=True)
        try:
            yield
        finally:
            self.mount()

    def fill(self, leave: int) -> None:
        """Take all its space but so many octets."""
        with self._ballast.open("wb", buffering=0) as ballast:
            for step in (2**16, 2**10):
                with suppress(OSError):
                    while ballast.write(b"x" * step):
                        pass
            ballast.truncate(ballast.tell() - leave)
            os.fsync(ballast.fileno())

    def relieve(self) -> None:
        """Give back what `fill` took."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, form: str) -> Iterator[SmallDisk]:
    """Mounted below `folder` as long as the context lasts; where that cannot be, the test is left out."""
    path = folder / "disk"
    path.mkdir()
    if form == "tmpfs":
        how = ["-t", "tmpfs", "-o", f"size={_OCTETS},mode=700", "tmpfs"]
    else:
        image = folder / "image"
        image.touch()
        os.truncate(image, _OCTETS)
        inodes = ["-N", str(_INODES)] if form == "ext4-inodes" else []
        _must(["/sbin/mkfs.ext4", "-q", "-F", "-m", "0", "-b", "1024", *inodes, str(image)])
        how = ["-o", "loop", str(image)]
    disk = SmallDisk(path, how)
    disk.mount()
    try:
        yield disk
    finally:
        subprocess.run(["/bin/umount", path], check=True)


def _must(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        skip_or_fail(f"cannot make or mount a small file system here: {getattr(error, 'stderr', error)}")
