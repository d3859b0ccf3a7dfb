"""What was said today: a warning that would be the same at each poll is logged once a day.

Owns the note of it in the state directory, because a `poll` that cron starts knows nothing of the one before.
Must never fail: a warning too many is better than a poll that ends.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from pathlib import Path

from mailsluice.clock import Clock
from mailsluice.files.private import read_private, replace_private
from mailsluice.files.trust import trusted_owners

_DAY = 86_400.0
_MOST = 200
"""The most warnings that are remembered. Those before them may be logged once more."""


class SaidToday:
    """The warnings of one day, by their texts. `path` is the file that remembers them. Safe among threads."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}

    def is_new(self, text: str) -> bool:
        """Whether this was not said within a day. From now on it was."""
        now = self._clock.now().timestamp()
        digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
        with self._lock:
            said = {known: at for known, at in (self._read() | self._said).items() if 0 <= now - at < _DAY}
            if digest in said:
                return False
            said[digest] = now
            self._said = dict(sorted(said.items(), key=lambda one: one[1])[-_MOST:])
            self._write()
        return True

    def _read(self) -> dict[str, float]:
        with suppress(OSError, ValueError):
            lines = read_private(self._path, owners=trusted_owners()).decode("ascii").splitlines()
            return {digest: float(at) for digest, _, at in (line.partition(" ") for line in lines)}
        return {}

    def _write(self) -> None:
        lines = "".join(f"{digest} {int(at)}\n" for digest, at in self._said.items())
        with suppress(OSError):
            replace_private(self._path, lines.encode(), durable=False)
