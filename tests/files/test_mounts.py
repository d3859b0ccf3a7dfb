from __future__ import annotations

from pathlib import Path

from mailsluice.files.mounts import missing, mount_points


def test_the_root_of_all_is_not_among_them(tmp_path: Path) -> None:
    assert "/" not in mount_points(tmp_path)


def test_a_file_system_that_is_mounted_is_found_on_the_way_to_a_file_in_it() -> None:
    assert "/proc" in mount_points(Path("/proc/self/not-there"))


def test_what_is_no_mount_point_is_missing(tmp_path: Path) -> None:
    assert missing(("/proc", str(tmp_path), "/not/there")) == str(tmp_path)
    assert missing(("/proc",)) is None
    assert missing(()) is None
