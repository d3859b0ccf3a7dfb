"""The way out of staging: what a missing file means while a poll runs, and what it means in recovery."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailsluice.errors import SinkError
from mailsluice.files.directory import Directory, Moved
from mailsluice.model import Listed, Staged
from mailsluice.sink.hold import Hold
from support.sinks import MAIL, NOW, finish, stage
from support.staging import staged_in

UIDLS = (b"u1", b"u2", b"u3")


@pytest.fixture
def root(staging: Hold) -> Path:
    return Path(staging.where.sink.partition(":")[2])


def file_of(root: Path, staged: Staged, kind: str) -> Path:
    base = staged.name.partition(",")[0]
    (found,) = [path for path in staged_in(root) if path.name == f"{base}.{kind}-staged"]
    return found


def published(root: Path) -> list[str]:
    return sorted(path.name for path in [*root.glob("*.*"), *root.glob("new/*")] if path.is_file())


def test_a_message_that_vanished_before_it_was_recorded_is_not_staged(staging: Hold, root: Path) -> None:
    with staging.batch() as batch:
        for uidl in UIDLS:
            batch.add(Listed(1, uidl), iter([MAIL]), NOW)
        staged_in(root)[0].unlink()
        staged = batch.stage()
        assert len(staged) == 2
        assert len(batch.vanished) == 1
        assert not batch.swept_away
        assert len(batch.publish()) == 2


def test_a_message_that_vanished_after_that_is_not_published_and_the_others_are(
    staging: Hold, root: Path
) -> None:
    with staging.batch() as batch:
        for uidl in UIDLS:
            batch.add(Listed(1, uidl), iter([MAIL]), NOW)
        staged = batch.stage()
        file_of(root, staged[1], "message").unlink()
        stored = batch.publish()
        assert [each.uidl for each in stored] == [b"u1", b"u3"]
        assert [each.uidl for each in batch.vanished] == [b"u2"]
    names = {name.rpartition(".")[0] or name for name in published(root)}
    assert staged[1].name not in {name.removesuffix(".json") for name in names}


def test_a_description_is_not_left_behind_where_its_message_vanished(spooling: Hold, tmp_path: Path) -> None:
    root = tmp_path / "spool"
    with spooling.batch() as batch:
        batch.add(Listed(1, b"u1"), iter([MAIL]), NOW)
        (staged,) = batch.stage()
        file_of(root, staged, "message").unlink()
        assert batch.publish() == ()
    assert published(root) == []
    assert finish(spooling, (staged,)) == ()


def test_a_message_whose_description_vanished_is_not_published(spooling: Hold, tmp_path: Path) -> None:
    root = tmp_path / "spool"
    with spooling.batch() as batch:
        batch.add(Listed(1, b"u1"), iter([MAIL]), NOW)
        (staged,) = batch.stage()
        file_of(root, staged, "description").unlink()
        assert batch.publish() == ()
    assert published(root) == []


def test_where_the_whole_directory_went_it_speaks_against_no_message(staging: Hold, root: Path) -> None:
    with staging.batch() as batch:
        batch.add(Listed(1, b"u1"), iter([MAIL]), NOW)
        batch.stage()
        root.rename(root.with_name("taken"))
        root.mkdir()
        assert batch.publish() == ()
        assert batch.swept_away
    assert published(root) == []
    assert published(root.with_name("taken")) == []


def test_in_recovery_absence_proves_that_a_message_was_published(staging: Hold, root: Path) -> None:
    staged = stage(staging, *UIDLS)
    for path in staged_in(root):
        path.unlink()
    assert [each.uidl for each in finish(staging, staged)] == [*UIDLS]


def test_where_the_ledger_is_an_older_copy_absence_proves_nothing(staging: Hold, root: Path) -> None:
    staged = stage(staging, *UIDLS)
    for path in staged_in(root):
        if staged[0].name.partition(",")[0] not in path.name:
            path.unlink()
    assert [each.uidl for each in staging.finish(staged, undisturbed=False)] == [b"u1"]


def test_a_message_whose_description_is_in_staging_still_was_never_published(
    spooling: Hold, tmp_path: Path
) -> None:
    (staged,) = stage(spooling, b"u1")
    file_of(tmp_path / "spool", staged, "message").unlink()
    assert finish(spooling, (staged,)) == ()


def test_a_message_whose_own_rename_alone_a_power_cut_kept_was_published(
    spooling: Hold, tmp_path: Path
) -> None:
    root = tmp_path / "spool"
    (staged,) = stage(spooling, b"u1")
    file_of(root, staged, "message").rename(root / f"{staged.name}.eml")
    assert len(finish(spooling, (staged,))) == 1
    assert published(root) == [f"{staged.name}.eml", f"{staged.name}.json"]


def test_a_message_without_any_description_is_not_published(spooling: Hold, tmp_path: Path) -> None:
    (staged,) = stage(spooling, b"u1")
    file_of(tmp_path / "spool", staged, "description").unlink()
    assert finish(spooling, (staged,)) == ()
    assert published(tmp_path / "spool") == []


def test_a_message_whose_description_is_published_is_published(spooling: Hold, tmp_path: Path) -> None:
    root = tmp_path / "spool"
    (staged,) = stage(spooling, b"u1")
    file_of(root, staged, "description").rename(root / f"{staged.name}.json")
    assert len(finish(spooling, (staged,))) == 1
    assert published(root) == [f"{staged.name}.eml", f"{staged.name}.json"]


def test_what_cannot_be_moved_in_recovery_was_never_published(
    staging: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = stage(staging, b"u1")
    monkeypatch.setattr(Directory, "rename", lambda *_: Moved.BARRED)
    assert finish(staging, staged) == ()


def test_a_running_poll_says_that_nothing_can_be_moved(
    staging: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    with staging.batch() as batch:
        batch.add(Listed(1, b"u1"), iter([MAIL]), NOW)
        batch.stage()
        monkeypatch.setattr(Directory, "rename", lambda *_: Moved.BARRED)
        with pytest.raises(SinkError, match="different file systems"):
            batch.publish()


def test_sweeping_leaves_the_claim(staging: Hold, root: Path) -> None:
    stage(staging, b"u1")
    assert staging.sweep() == 1
    staging.refuse_if_lost()
    with staging.batch() as batch:
        batch.add(Listed(1, b"u1"), iter([MAIL]), NOW)
        batch.stage()
        assert len(batch.publish()) == 1
