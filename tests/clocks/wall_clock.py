"""A wall clock that is set while a program runs by it, by libfaketime. Monotonic time stays the real one."""

from __future__ import annotations

from pathlib import Path

from support.skipping import skip_or_fail

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class WallClock:
    """The wall clock of the programs that are started in its `environment`, and are not those of this test."""

    def __init__(self, folder: Path) -> None:
        if not _LIBRARIES:
            skip_or_fail("libfaketime is not installed: tests/clocks/install-faketime does it")
        self._file = folder / "faketime"
        self.set(0)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, ahead: int) -> None:
        """Let it be so many seconds ahead of the real one from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead:+d}\n")
        new.replace(self._file)
