"""What every sink promises: the ports `Sink`, `Staging` and `Batch`, on each implementation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.stores import STORES, Store, store_of
from mailsluice.errors import ConnectionLost, MailboxLocked, Phase
from mailsluice.model import Listed, Staged, Stored
from mailsluice.session.ports import Batch, Sink, Staging
from support.sinks import LEDGER, MAIL, NOW, OTHER, deliver, finish, stage


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    kind: str = request.param
    return store_of(kind, tmp_path / "sink")


@pytest.fixture
def sink(store: Store) -> Sink:
    return store.sink()


@pytest.fixture
def staging(sink: Sink) -> Iterator[Staging]:
    with sink.hold(None) as staging:
        yield staging


def broken(error: BaseException) -> Iterator[bytes]:
    yield MAIL
    raise error


def add(batch: Batch, *uidls: bytes) -> None:
    for number, uidl in enumerate(uidls, 1):
        batch.add(Listed(number, uidl), iter([MAIL]), NOW)


def publish(staging: Staging, *uidls: bytes) -> tuple[tuple[Stored, ...], tuple[Staged, ...]]:
    """Deliver these, and do not have them committed."""
    with staging.batch() as batch:
        add(batch, *uidls)
        staged = batch.stage()
        return batch.publish(), staged


def test_what_is_held_satisfies_the_port(staging: Staging) -> None:
    port: Staging = staging
    assert port.where.place


def test_add_tells_what_was_seen_of_the_message(staging: Staging) -> None:
    with staging.batch() as batch:
        passed = batch.add(Listed(1, b"u"), iter([MAIL[:3], MAIL[3:]]), NOW)
        assert (passed.size, passed.head) == (len(MAIL), MAIL)
        assert passed.header.first("subject") == b" x"
        assert len(batch) == 1


def test_staged_tells_uidl_size_as_sent_and_size_as_listed(staging: Staging) -> None:
    (staged,) = stage(staging, b"u")
    assert (staged.uidl, staged.size, staged.listed_size) == (b"u", len(MAIL), 99)
    assert "/" not in staged.name


def test_nothing_is_visible_before_publish(staging: Staging, store: Store) -> None:
    stage(staging, b"u")
    assert store.messages() == []


def test_publish_shows_every_message_in_their_order(staging: Staging, store: Store) -> None:
    with staging.batch() as batch:
        for uidl in (b"u1", b"u2"):
            batch.add(Listed(1, uidl), iter([MAIL]), NOW)
        staged = batch.stage()
        stored = batch.publish()
    assert [(s.uidl, s.name) for s in stored] == [(s.uidl, s.name) for s in staged]
    assert len(store.messages()) == 2


def test_to_publish_again_changes_nothing(staging: Staging, store: Store) -> None:
    with staging.batch() as batch:
        add(batch, b"u1", b"u2")
        batch.stage()
        first, seen = batch.publish(), store.messages()
        assert batch.publish() == first
    assert batch.vanished == []
    assert store.messages() == seen


def test_to_publish_again_makes_nothing_anew_that_a_consumer_took(staging: Staging, store: Store) -> None:
    with staging.batch() as batch:
        add(batch, b"u1", b"u2")
        batch.stage()
        first = batch.publish()
        taken, left = store.messages()
        store.take(taken)
        assert batch.publish() == first
    assert batch.vanished == []
    assert store.messages() == [left]


def test_what_vanished_from_staging_is_said_to_once_though_publish_is_called_again(
    staging: Staging, store: Store
) -> None:
    with staging.batch() as batch:
        add(batch, b"u1", b"u2", b"u3")
        _, lost, _ = batch.stage()
        store.lose(lost.name)
        first = batch.publish()
        assert batch.publish() == first
    assert [each.uidl for each in first] == [b"u1", b"u3"]
    assert batch.vanished == [lost]


def test_to_finish_what_is_published_changes_nothing(staging: Staging, store: Store) -> None:
    staged = stage(staging, b"u1", b"u2")
    first = finish(staging, staged)
    seen = store.messages()
    assert finish(staging, staged) == first
    assert store.messages() == seen


def test_a_message_a_consumer_took_is_not_published_again(staging: Staging, store: Store) -> None:
    staged = stage(staging, b"u1", b"u2")
    finish(staging, staged[:1])
    store.take(store.messages()[0])
    assert len(finish(staging, staged)) == 2
    assert len(store.messages()) == 1


def test_where_nothing_else_is_proved_what_was_finished_stays_finished_until_the_commit(
    staging: Staging, store: Store
) -> None:
    staged = stage(staging, b"u1", b"u2")
    first = staging.finish(staged, undisturbed=False)
    store.take(store.messages()[0])
    assert staging.finish(staged, undisturbed=False) == first
    assert len(store.messages()) == 1


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_what_was_published_by_a_poll_that_was_killed_before_its_commit_is_finished_and_not_made_anew(
    sink: Sink, store: Store, taken: int
) -> None:
    with sink.hold(None) as staging:
        where = staging.where
        stored, staged = publish(staging, b"u1", b"u2")
    for message in store.messages()[:taken]:
        store.take(message)
    for _ in range(2):
        with store.sink().find(where) as found:
            assert found is not None
            assert finish(found, staged) == stored
    assert len(store.messages()) == 2 - taken


def test_what_vanished_is_not_finished_though_the_others_are(sink: Sink, store: Store) -> None:
    with sink.hold(None) as staging:
        where, staged = staging.where, stage(staging, b"u1", b"u2")
    store.lose(staged[0].name)
    with store.sink().find(where) as found:
        assert found is not None
        assert [each.uidl for each in found.finish(staged, undisturbed=False)] == [b"u2"]
    assert len(store.messages()) == 1


def test_once_a_message_is_forgotten_nothing_of_it_is_kept_but_what_consumers_find(
    staging: Staging, store: Store
) -> None:
    stored, _ = publish(staging, b"u1", b"u2")
    seen = store.messages()
    for _ in range(2):
        staging.forget(stored)
        assert store.staged() == []
        assert store.messages() == seen


def test_a_message_that_a_consumer_took_can_be_forgotten(staging: Staging, store: Store) -> None:
    stored, _ = publish(staging, b"u1", b"u2")
    store.take(store.messages()[0])
    staging.forget(stored)
    assert store.staged() == []
    assert len(store.messages()) == 1


def test_to_forget_what_was_never_published_changes_nothing(staging: Staging, store: Store) -> None:
    staged = stage(staging, b"u1", b"u2")
    staging.forget([Stored(b"u1", staged[0].name), Stored(b"u3", "never-heard-of")])
    assert len(store.staged()) == 2
    assert [each.uidl for each in finish(staging, staged)] == [b"u1", b"u2"]
    assert len(store.messages()) == 2


def test_to_forget_some_leaves_the_others_finished(staging: Staging, store: Store) -> None:
    stored, staged = publish(staging, b"u1", b"u2")
    for message in store.messages():
        store.take(message)
    staging.forget(stored[:1])
    assert finish(staging, staged[1:]) == stored[1:]
    assert store.messages() == []


def test_what_a_poll_that_was_killed_did_not_forget_is_swept_and_counted_as_no_message(
    sink: Sink, store: Store
) -> None:
    with sink.hold(None) as staging:
        publish(staging, b"u1", b"u2")
    store.take(store.messages()[0])
    with store.sink().hold(staging.where) as next_one:
        assert next_one.sweep() == 0
    assert store.staged() == []
    assert len(store.messages()) == 1


def test_a_message_that_was_dropped_is_not_staged_and_leaves_nothing(staging: Staging, store: Store) -> None:
    with staging.batch() as batch:
        batch.add(Listed(1, b"u1"), iter([MAIL]), NOW)
        batch.add(Listed(2, b"u2"), iter([MAIL]), NOW)
        batch.drop()
        batch.add(Listed(3, b"u3"), iter([MAIL]), NOW)
        staged = batch.stage()
    assert [each.uidl for each in staged] == [b"u1", b"u3"]
    assert len(store.staged()) == 2


def test_leaving_a_batch_without_stage_removes_what_it_wrote(staging: Staging, store: Store) -> None:
    with staging.batch() as batch:
        batch.add(Listed(1, b"u"), iter([MAIL]), NOW)
    assert store.staged() == []


def interrupted(staging: Staging, *, after_stage: bool) -> Iterator[tuple[Staged, ...]]:
    """Fill a batch, perhaps stage it, and be interrupted inside it."""
    with staging.batch() as batch:
        batch.add(Listed(1, b"u"), iter([MAIL]), NOW)
        if after_stage:
            yield batch.stage()
        raise KeyboardInterrupt


def test_an_exception_removes_what_a_batch_wrote(staging: Staging, store: Store) -> None:
    with pytest.raises(KeyboardInterrupt):
        next(interrupted(staging, after_stage=False))
    assert store.staged() == []


def test_an_exception_after_stage_removes_nothing(staging: Staging, store: Store) -> None:
    run = interrupted(staging, after_stage=True)
    staged = next(run)
    with pytest.raises(KeyboardInterrupt):
        next(run)
    finish(staging, staged)
    assert len(store.messages()) == 1


@pytest.mark.parametrize("error", [ConnectionLost("gone", phase=Phase.RETRIEVE), KeyboardInterrupt()])
def test_a_message_that_breaks_off_leaves_nothing_and_the_others_stay(
    staging: Staging, store: Store, error: BaseException
) -> None:
    with staging.batch() as batch:
        batch.add(Listed(1, b"u1"), iter([MAIL]), NOW)
        before = store.staged()
        with pytest.raises(type(error)):
            batch.add(Listed(2, b"u2"), broken(error), NOW)
        assert len(batch) == 1
        staged = batch.stage()
    assert [s.uidl for s in staged] == [b"u1"]
    assert store.staged() == before


def test_an_empty_batch_stages_and_publishes_nothing(staging: Staging) -> None:
    with staging.batch() as batch:
        assert batch.stage() == ()
        assert batch.publish() == ()


def test_a_staged_batch_is_over(staging: Staging) -> None:
    with staging.batch() as batch:
        batch.stage()
        with pytest.raises(RuntimeError):
            batch.stage()
        with pytest.raises(RuntimeError):
            batch.add(Listed(1, b"u"), iter([MAIL]), NOW)


def test_nothing_is_published_that_is_not_staged(staging: Staging) -> None:
    with staging.batch() as batch:
        batch.add(Listed(1, b"u"), iter([MAIL]), NOW)
        with pytest.raises(RuntimeError):
            batch.publish()


def test_sweep_removes_all_that_is_staged_and_counts_messages(staging: Staging, store: Store) -> None:
    stage(staging, b"u1", b"u2")
    assert staging.sweep() == 2
    assert store.staged() == []
    assert staging.sweep() == 0


def test_sweep_touches_nothing_published(staging: Staging, store: Store) -> None:
    deliver(staging, b"u1")
    seen = store.messages()
    staging.sweep()
    assert store.messages() == seen


def test_two_owners_of_one_sink_leave_each_others_staging_alone(staging: Staging, store: Store) -> None:
    staged = stage(staging, b"u")
    with store.sink(f"{OTHER}-{LEDGER}").hold(None) as other:
        assert other.sweep() == 0
    finish(staging, staged)
    assert len(store.messages()) == 1


def test_one_poll_at_a_time_has_a_staging_directory(sink: Sink, staging: Staging) -> None:
    assert staging.where.place
    with pytest.raises(MailboxLocked), sink.hold(None):
        pass


def test_a_staging_directory_that_was_let_go_can_be_taken(sink: Sink) -> None:
    for _ in range(2):
        with sink.hold(None):
            pass


def test_recovery_finds_the_very_directory_that_the_ledger_knows(sink: Sink, store: Store) -> None:
    with sink.hold(None) as staging:
        where, staged = staging.where, stage(staging, b"u")
    with sink.find(where) as found:
        assert found is not None
        finish(found, staged)
    assert len(store.messages()) == 1


def test_messages_of_one_moment_get_names_of_their_own(staging: Staging) -> None:
    names = {staged.name for staged in stage(staging, *(b"%d" % n for n in range(100)))}
    assert len(names) == 100


def test_names_sort_by_the_time_of_arrival(staging: Staging) -> None:
    with staging.batch() as batch:
        for number in range(20):
            batch.add(Listed(number, b"%d" % number), iter([MAIL]), NOW + timedelta(milliseconds=90 * number))
        names = [staged.name for staged in batch.stage()]
    assert names == sorted(names)
