"""Which file system a path lies on, what is mounted, and what cannot sync a directory."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from mailsluice.errors import LedgerError
from mailsluice.files import mounts
from mailsluice.files.directory import Directory
from mailsluice.files.error import FileError
from mailsluice.files.mounts import FileSystem, file_system, missing, mount_points, problem_of_sync
from mailsluice.ledger import directory
from support.skipping import skip_or_fail

TABLE = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv rw - xfs /dev/sdb1 rw
31 30 0:41 / /srv/mail\\040of\\040all rw shared:2 master:3 - cifs //nas/mail rw,vers=3.0
32 30 0:42 / /srv rw - fuse.sshfs host:/ rw
""".splitlines()


@pytest.mark.parametrize(
    ("path", "kind", "on"),
    [
        ("/var/spool/mail", "ext4", "/"),
        ("/srvother", "ext4", "/"),
        ("/srv/mail of all", "cifs", "/srv/mail of all"),
        ("/srv/mail of all/spool", "cifs", "/srv/mail of all"),
        ("/srv/mail", "fuse.sshfs", "/srv"),
    ],
)
def test_it_is_the_deepest_and_the_latest_that_is_mounted_above(path: str, kind: str, on: str) -> None:
    assert file_system(Path(path), TABLE) == FileSystem(kind, Path(on))


def test_a_table_that_makes_no_sense_tells_nothing() -> None:
    assert file_system(Path("/srv"), ["", "nonsense", "a - b c"]) is None


def test_where_the_kernel_has_no_table_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(mounts, "_TABLE", tmp_path / "none")
    assert file_system(Path("/srv")) is None
    problem = problem_of_sync(Path("/srv"), OSError(errno.EINVAL, "Invalid argument"))
    assert problem is not None
    assert problem.what.startswith(
        "the file system of /srv cannot sync a directory: Invalid argument (EINVAL)"
    )


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_a_disk_that_fails_is_not_one_that_cannot(code: int) -> None:
    assert problem_of_sync(Path("/srv"), OSError(code, "failed")) is None


@pytest.fixture
def unable() -> Path:
    """A directory that the kernel itself does not sync."""
    if not Path("/proc/self").is_dir():
        skip_or_fail("there is no /proc here")
    return Path("/proc")


def test_a_sink_where_names_cannot_be_made_durable_is_refused_by_the_kind_of_its_file_system(
    unable: Path,
) -> None:
    found = Directory.find(unable)
    assert found is not None
    with (
        found,
        pytest.raises(FileError, match=r"^the file system of /proc \(proc, mounted on /proc\)") as error,
    ):
        found.sync()
    assert "ext4" in error.value.remedy


def test_so_is_a_state_directory(unable: Path) -> None:
    with pytest.raises(LedgerError, match="cannot sync a directory"):
        directory.sync(unable)


def test_the_root_of_all_is_not_among_them(tmp_path: Path) -> None:
    assert "/" not in mount_points(tmp_path)


def test_a_file_system_that_is_mounted_is_found_on_the_way_to_a_file_in_it() -> None:
    assert "/proc" in mount_points(Path("/proc/self/not-there"))


def test_what_is_no_mount_point_is_missing(tmp_path: Path) -> None:
    assert missing(("/proc", str(tmp_path), "/not/there")) == str(tmp_path)
    assert missing(("/proc",)) is None
    assert missing(()) is None
