"""A copy of a ledger is whole, or it is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailsluice.errors import BackupError, LedgerError
from mailsluice.files.directory import Directory
from mailsluice.files.error import FileError
from mailsluice.ledger.backup import LedgerCopy
from mailsluice.ledger.database import FILE, Database
from mailsluice.ledger.ledger import Ledger
from mailsluice.ledger.mark import MARK
from mailsluice.model import MailboxKey, Staged

KEY, NOW = MailboxKey("h", "a"), datetime(2026, 1, 1, tzinfo=UTC)
STAGED = [Staged(b"u%d" % number, f"n{number}", 1) for number in range(100)]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "copy"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def directory(place: Path) -> Iterator[Directory]:
    with Directory.follow(place) as directory:
        yield directory


def test_a_copy_is_the_ledger_as_it_is_and_nothing_else(
    ledger: Ledger, state_dir: Path, place: Path, directory: Directory
) -> None:
    ledger.messages.record(KEY, STAGED, "spool:/x", NOW)
    copy = LedgerCopy(directory)
    copy.take(state_dir)
    ledger.messages.record(KEY, [Staged(b"later", "later", 1)], "spool:/x", NOW)
    copy.mark()
    copy.finish()

    assert {path.name: path.stat().st_mode & 0o777 for path in place.iterdir()} == {FILE: 0o600, MARK: 0o600}
    assert (place / MARK).read_bytes() == (state_dir / MARK).read_bytes()
    with Ledger(place) as restored:
        assert restored.messages.half_done(KEY) == {
            "spool:/x": tuple(sorted(STAGED, key=lambda staged: staged.name))
        }
        assert restored.staging_owner(KEY) == ledger.staging_owner(KEY)


def test_a_copy_is_made_in_the_middle_of_a_transaction_without_it(
    state_dir: Path, place: Path, directory: Directory
) -> None:
    database = Database(state_dir)
    copy = LedgerCopy(directory)
    with database.writing() as connection:
        connection.execute("INSERT INTO mailbox (host, address) VALUES ('h', 'a')")
        copy.take(state_dir)
    database.close()
    copy.mark()
    copy.finish()

    with Ledger(place) as restored:
        assert restored.messages.known(KEY) == {}


def test_half_a_copy_is_no_ledger_whenever_it_was_left(
    ledger: Ledger, state_dir: Path, place: Path, directory: Directory
) -> None:
    copy = LedgerCopy(directory)
    copy.take(state_dir)
    assert [path.name for path in place.iterdir()] == [f".{FILE}.new"]
    copy.mark()
    left = shutil.copytree(place, place.with_name("left"))
    with pytest.raises(LedgerError, match="is lost"):
        Ledger(left)
    copy.finish()
    Ledger(place).close()


def test_a_copy_that_is_given_up_leaves_nothing(
    ledger: Ledger, state_dir: Path, place: Path, directory: Directory
) -> None:
    copy = LedgerCopy(directory)
    copy.take(state_dir)
    copy.mark()
    copy.give_up()
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("given_up", [False, True])
def test_a_copy_leaves_no_descriptor_open(
    ledger: Ledger, state_dir: Path, place: Path, directory: Directory, given_up: bool
) -> None:
    copy = LedgerCopy(directory)
    copy.take(state_dir)
    copy.mark()
    copy.give_up() if given_up else copy.finish()
    opened = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert not [path for path in opened if place in path.parents]


def test_a_copy_for_which_there_is_no_room_is_told_as_the_copy_s(
    ledger: Ledger, state_dir: Path, place: Path, directory: Directory
) -> None:
    ledger.messages.record(KEY, STAGED * 1, "spool:/x", NOW)
    copy = LedgerCopy(directory)
    copy._connection.execute("PRAGMA max_page_count = 2")
    with pytest.raises(BackupError, match="the copy of the ledger: database or disk is full"):
        copy.take(state_dir)
    copy.give_up()


def test_a_ledger_that_is_damaged_is_told_as_the_ledger_s(
    state_dir: Path, place: Path, directory: Directory
) -> None:
    with Ledger(state_dir) as ledger:
        ledger.messages.record(KEY, STAGED, "spool:/x", NOW)
    octets = (state_dir / FILE).read_bytes()
    (state_dir / FILE).write_bytes(octets[: len(octets) // 2])
    copy = LedgerCopy(directory)
    with pytest.raises(LedgerError, match=str(state_dir / FILE)):
        copy.take(state_dir)
    copy.give_up()


def test_a_file_in_the_way_of_a_copy_is_not_written_over(place: Path, directory: Directory) -> None:
    (place / f".{FILE}.new").write_bytes(b"precious")
    with pytest.raises(FileError, match="EEXIST"):
        LedgerCopy(directory)
    assert (place / f".{FILE}.new").read_bytes() == b"precious"
