from __future__ import annotations

import random
from pathlib import Path

import pytest

from powercut.model import Call, Disk, Kept, Tree, calls_of, choices, lay_down

NOTHING = Kept(frozenset())


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    return Disk(tmp_path)


def do(disk: Disk, root: Path, *lines: str) -> None:
    for line in lines:
        name, *fields = line.replace("@", f"{root}/").split(" ")
        octets = fields.pop().encode() if name == "write" else b""
        disk.take(Call(name, (*fields, str(len(octets))) if name == "write" else tuple(fields), octets))


def files(tree: Tree) -> dict[str, bytes]:
    return {name: octets for name, (_, octets) in tree.items() if octets is not None}


def test_a_trace_is_read_back_with_the_octets_of_its_writes() -> None:
    assert calls_of(b"mark\tx\nwrite\t7\t0\t3\na\nbsync\t7\n") == [
        Call("mark", ("x",)),
        Call("write", ("7", "0", "3"), b"a\nb"),
        Call("sync", ("7",)),
    ]


def test_a_file_that_was_synced_has_no_name_before_its_directory_was(disk: Disk, tmp_path: Path) -> None:
    do(disk, tmp_path, "create @a/x 7", "write 7 0 abc", "sync 7")
    assert files(disk.left(NOTHING)) == {}
    do(disk, tmp_path, f"sync-names {tmp_path}/a")
    assert files(disk.left(NOTHING)) == {"a/x": b"abc"}


def test_a_name_that_was_synced_has_no_octets_before_its_file_was(disk: Disk, tmp_path: Path) -> None:
    do(disk, tmp_path, "create @a/x 7", "write 7 0 abc", "sync-names @a")
    assert files(disk.left(NOTHING)) == {"a/x": b""}


def test_a_write_that_was_lost_under_a_later_one_is_a_hole(disk: Disk, tmp_path: Path) -> None:
    do(disk, tmp_path, "create @a/x 7", "sync-names @a", "write 7 0 abc", "write 7 3 def")
    _, second = disk.unsynced
    assert files(disk.left(Kept(frozenset({second})))) == {"a/x": b"\0\0\0def"}
    assert files(disk.left(Kept(frozenset(disk.unsynced), torn=second))) == {"a/x": b"abcd"}


def test_a_sync_of_either_directory_keeps_the_new_name_of_a_rename(disk: Disk, tmp_path: Path) -> None:
    do(disk, tmp_path, "create @a/x 7", "sync-names @a", "rename @a/x @b/y")
    assert set(files(disk.left(NOTHING))) == {"a/x"}
    do(disk, tmp_path, "sync-names @b")
    left = disk.left(NOTHING)
    assert set(files(left)) == {"a/x", "b/y"}
    assert left["a/x"] == left["b/y"]
    do(disk, tmp_path, "sync-names @a")
    assert set(files(disk.left(NOTHING))) == {"b/y"}


def test_of_a_rename_the_old_name_never_goes_without_the_new_one(disk: Disk, tmp_path: Path) -> None:
    do(disk, tmp_path, "create @a/x 7", "sync-names @a", "rename @a/x @b/y")
    _, gone = disk.unsynced
    assert set(files(disk.left(Kept(frozenset({gone}))))) == {"a/x"}


def test_what_a_failed_sync_lost_no_later_one_keeps(disk: Disk, tmp_path: Path) -> None:
    do(disk, tmp_path, "create @a/x 7", "sync-names @a", "write 7 0 abc", "sync-failed 7")
    do(disk, tmp_path, "write 7 3 def", "sync 7")
    assert files(disk.left(NOTHING)) == {"a/x": b"\0\0\0def"}
    assert files(disk.live()) == {"a/x": b"abcdef"}


def test_an_inode_that_is_used_again_is_another_file(disk: Disk, tmp_path: Path) -> None:
    do(disk, tmp_path, "create @a/x 7", "write 7 0 old", "sync 7", "sync-names @a", "unlink @a/x")
    do(disk, tmp_path, "create @a/y 7", "write 7 0 new")
    assert files(disk.left(NOTHING)) == {"a/x": b"old"}
    assert files(disk.live()) == {"a/y": b"new"}


def test_few_unsynced_calls_are_kept_in_every_combination(disk: Disk, tmp_path: Path) -> None:
    do(disk, tmp_path, "create @a/x 1", "create @a/y 2", "create @b/z 3")
    tried = choices(disk.unsynced, 100, random.Random(1))
    assert {tuple(files(disk.left(kept))) for kept in tried} == {
        tuple(name for name, there in zip(("a/x", "a/y", "b/z"), combination, strict=True) if there)
        for combination in [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    }


def test_two_names_of_a_file_are_laid_down_as_two_names(tmp_path: Path) -> None:
    lay_down({"a": (1, None), "a/x": (2, b"abc"), "y": (2, b"abc")}, tmp_path)
    assert (tmp_path / "a" / "x").samefile(tmp_path / "y")
