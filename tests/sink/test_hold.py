"""A staging directory held through a whole poll, while other programs do what they do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mailsluice.errors import MailboxLocked, SinkRefused, StagingLost
from mailsluice.model import Listed, Noticed
from mailsluice.sink.claim import FILE
from mailsluice.sink.hold import Hold
from support.sinks import MAIL, NOW, Sink, deliver, held
from support.staging import remove_locks, staging_of


@pytest.fixture
def root(staging: Hold) -> Path:
    return Path(staging.where.sink.partition(":")[2])


def messages(root: Path) -> int:
    return len([*root.glob("*.eml"), *root.glob("new/*")])


def test_staging_that_was_removed_is_made_again_for_the_next_batch(staging: Hold, root: Path) -> None:
    before = staging.where
    shutil.rmtree(staging_of(root).parent)
    deliver(staging, b"u1")
    assert messages(root) == 1
    assert staging.where.place != before.place
    assert [notice.kind for notice in staging.notices] == [Noticed.MADE_ANEW]


def test_a_spool_that_a_consumer_renamed_away_is_left_for_the_new_one(staging: Hold, root: Path) -> None:
    deliver(staging, b"u1")
    root.rename(root.with_name("taken"))
    root.mkdir()
    deliver(staging, b"u2")
    assert (messages(root), messages(root.with_name("taken"))) == (1, 1)


def test_a_sink_that_is_gone_in_the_middle_of_a_poll_is_not_made_anew(staging: Hold, root: Path) -> None:
    root.rename(root.with_name("taken"))
    with pytest.raises(SinkRefused, match="is missing"):
        staging.batch()
    assert not root.exists()


def test_who_published_and_committed_hears_nothing_of_a_sink_that_another_session_then_found_gone(
    staging: Hold, root: Path
) -> None:
    with staging.batch() as batch:
        batch.add(Listed(1, b"u"), iter([MAIL]), NOW)
        batch.stage()
        stored = batch.publish()
    root.rename(root.with_name("gone"))
    with pytest.raises(SinkRefused):
        staging.batch()
    staging.note(3)
    staging.forget(stored)


def test_a_claim_that_was_removed_is_made_again_for_the_next_batch(
    sink: Sink, staging: Hold, root: Path
) -> None:
    (staging_of(root) / FILE).unlink()
    deliver(staging, b"u1")
    with pytest.raises(MailboxLocked), sink.hold(None):
        pass


def test_a_batch_under_way_goes_on_though_its_claim_was_made_again_by_the_same_poll(
    staging: Hold, root: Path
) -> None:
    with staging.batch() as batch:
        batch.add(Listed(1, b"u1"), iter([MAIL]), NOW)
        (staging_of(root) / FILE).unlink()
        deliver(staging, b"u2")
        batch.stage()
        assert len(batch.publish()) == 1
        batch.refuse_if_lost()


def test_who_lost_the_directory_to_another_publishes_nothing(sink: Sink, staging: Hold, root: Path) -> None:
    with staging.batch() as batch:
        batch.add(Listed(1, b"u1"), iter([MAIL]), NOW)
        batch.stage()
        remove_locks(root)
        with held(sink):
            assert batch.publish() == ()
            with pytest.raises(StagingLost):
                batch.refuse_if_lost()
            with pytest.raises(StagingLost):
                staging.refuse_if_lost()
    assert messages(root) == 0


def test_what_the_sink_was_told_of_the_ledger_it_tells_the_next_poll(sink: Sink) -> None:
    with held(sink) as staging:
        staging.note(12)
    with held(sink, staging.where) as staging:
        assert staging.commits == 12


def test_a_hold_that_is_over_can_be_used_no_more(sink: Sink) -> None:
    with held(sink) as staging:
        pass
    with pytest.raises(RuntimeError):
        staging.batch()
