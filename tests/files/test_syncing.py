"""Syncing: many files at once, each once, and none after one failed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import cast

import pytest

from mailsluice.files.error import FileError
from mailsluice.files.new_file import NewFile
from mailsluice.files.syncing import sync_together


class File:
    """Stands for a `NewFile`; `meet` makes its sync wait until so many are under way together."""

    def __init__(self, meet: threading.Barrier | None = None, error: BaseException | None = None) -> None:
        self.syncs: Counter[str] = Counter()
        self.begun = 0
        self.closed = False
        self._meet = meet
        self._error = error

    def begin_sync(self) -> None:
        self.begun += 1

    def close(self) -> None:
        self.closed = True

    def sync(self) -> None:
        assert not self.closed
        self.syncs["sync"] += 1
        if self._meet is not None:
            self._meet.wait(10)
        if self._error is not None:
            raise self._error


def synced(files: Sequence[File]) -> None:
    sync_together(cast("Sequence[NewFile]", files))


@pytest.mark.parametrize("count", [0, 1, 3, 4, 8, 9, 33, 200])
def test_every_file_is_synced_once_and_closed(count: int) -> None:
    files = [File() for _ in range(count)]
    synced(files)
    assert all(file.syncs.total() == 1 and file.closed for file in files)


@pytest.mark.parametrize("count", [1, 9, 200])
def test_the_kernel_hears_of_every_file_before_the_first_is_waited_for(count: int) -> None:
    begun: list[list[int]] = []

    class Witness(File):
        def sync(self) -> None:
            begun.append([file.begun for file in files])

    files = [Witness() for _ in range(count)]
    synced(files)
    assert begun == [[1] * count] * count


def test_eight_of_many_files_are_synced_together() -> None:
    meet = threading.Barrier(8)
    synced([File(meet) for _ in range(8)] + [File() for _ in range(56)])


def test_few_files_are_synced_one_after_the_other_in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", None)
    synced([File() for _ in range(15)])


@pytest.mark.parametrize("count", [2, 32])
def test_a_sync_that_fails_is_raised_in_the_caller(count: int) -> None:
    files = [File() for _ in range(count - 1)] + [File(error=FileError("no", ""))]
    with pytest.raises(FileError, match="no"):
        synced(files)
    assert all(file.closed for file in files)


def test_two_threads_tell_the_kernel_and_eight_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[threading.Thread] = []
    start, meet = threading.Thread.start, threading.Barrier(2)

    class Begins(File):
        def begin_sync(self) -> None:
            meet.wait(10)

    def counted(thread: threading.Thread) -> None:
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", counted)
    synced([*(Begins() for _ in range(2)), *(File() for _ in range(62))])
    assert len(started) == (2 - 1) + (8 - 1)  # beside this one, each time


def test_nothing_is_synced_where_the_kernel_could_not_be_told() -> None:
    class Hopeless(File):
        def begin_sync(self) -> None:
            raise MemoryError

    files = [File() for _ in range(31)] + [Hopeless()]
    with pytest.raises(MemoryError):
        synced(files)
    assert all(file.closed and not file.syncs for file in files)


def test_nothing_is_synced_after_one_failed() -> None:
    files = [File(error=FileError("no", "")), *(File() for _ in range(6))]
    with pytest.raises(FileError, match="no"):
        synced(files)
    assert sum(file.syncs.total() for file in files) == 1


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
def test_where_no_thread_can_be_had_all_are_synced_in_this_one(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise error

    monkeypatch.setattr(threading.Thread, "start", refuse)
    files = [File() for _ in range(32)]
    synced(files)
    assert all(file.syncs.total() == 1 for file in files)
