"""What every sink promises: the ports `Sink`, `Staging` and `Batch`, on each implementation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mailsluice.errors import ConnectionLost, MailboxLocked, Phase, SinkError, SinkRefused
from mailsluice.model import Listed, Staged
from mailsluice.session.ports import Staging
from mailsluice.sink.hold import Hold
from support.sinks import KINDS, LEDGER, MAIL, NOW, OTHER, OWNER, Sink, deliver, finish, held, sink_of, stage
from support.staging import staged_in, staging_of


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "sink"


@pytest.fixture(params=KINDS)
def sink(request: pytest.FixtureRequest, place: Path) -> Sink:
    kind: str = request.param
    return sink_of(kind, place)


@pytest.fixture
def staging(sink: Sink) -> Iterator[Hold]:
    with held(sink) as staging:
        yield staging


def visible(place: Path) -> list[Path]:
    found = [*place.glob("*.*"), *place.glob("new/*"), *place.glob("cur/*")]
    return sorted(path for path in found if path.is_file())


def messages(place: Path) -> list[Path]:
    return [path for path in visible(place) if path.suffix != ".json"]


def broken(error: BaseException) -> Iterator[bytes]:
    yield MAIL
    raise error


def test_what_is_held_satisfies_the_port(staging: Hold) -> None:
    port: Staging = staging
    assert port.where.place


def test_add_tells_what_was_seen_of_the_message(staging: Hold) -> None:
    with staging.batch() as batch:
        passed = batch.add(Listed(1, b"u"), iter([MAIL[:3], MAIL[3:]]), NOW)
        assert (passed.size, passed.head) == (len(MAIL), MAIL)
        assert passed.header.first("subject") == b" x"
        assert len(batch) == 1


def test_staged_tells_uidl_size_as_sent_and_size_as_listed(staging: Hold) -> None:
    (staged,) = stage(staging, b"u")
    assert (staged.uidl, staged.size, staged.listed_size) == (b"u", len(MAIL), 99)
    assert "/" not in staged.name


def test_nothing_is_visible_before_publish(staging: Hold, place: Path) -> None:
    stage(staging, b"u")
    assert messages(place) == []


def test_names_in_staging_end_in_nothing_that_a_consumer_looks_for(staging: Hold, place: Path) -> None:
    stage(staging, b"u")
    assert {path.name.rpartition("-")[2] for path in staged_in(place)} == {"staged"}


def test_publish_shows_every_message_in_their_order(staging: Hold, place: Path) -> None:
    with staging.batch() as batch:
        for uidl in (b"u1", b"u2"):
            batch.add(Listed(1, uidl), iter([MAIL]), NOW)
        staged = batch.stage()
        stored = batch.publish()
    assert [(s.uidl, s.name) for s in stored] == [(s.uidl, s.name) for s in staged]
    assert len(messages(place)) == 2
    assert staged_in(place) == []


def test_to_finish_what_is_published_changes_nothing(staging: Hold, place: Path) -> None:
    staged = stage(staging, b"u1", b"u2")
    first = finish(staging, staged)
    seen = visible(place)
    assert finish(staging, staged) == first
    assert visible(place) == seen


def test_a_message_a_consumer_took_is_not_published_again(staging: Hold, place: Path) -> None:
    staged = stage(staging, b"u1", b"u2")
    finish(staging, staged[:1])
    messages(place)[0].unlink()
    assert len(finish(staging, staged)) == 2
    assert len(messages(place)) == 1


def test_a_message_that_was_dropped_is_not_staged_and_leaves_nothing(staging: Hold, place: Path) -> None:
    with staging.batch() as batch:
        batch.add(Listed(1, b"u1"), iter([MAIL]), NOW)
        batch.add(Listed(2, b"u2"), iter([MAIL]), NOW)
        batch.drop()
        batch.add(Listed(3, b"u3"), iter([MAIL]), NOW)
        staged = batch.stage()
    assert [each.uidl for each in staged] == [b"u1", b"u3"]
    assert len({path.name.partition(".message")[0].partition(".desc")[0] for path in staged_in(place)}) == 2


def test_leaving_a_batch_without_stage_removes_what_it_wrote(staging: Hold, place: Path) -> None:
    with staging.batch() as batch:
        batch.add(Listed(1, b"u"), iter([MAIL]), NOW)
    assert staged_in(place) == []


def interrupted(staging: Hold, *, after_stage: bool) -> Iterator[tuple[Staged, ...]]:
    """Fill a batch, perhaps stage it, and be interrupted inside it."""
    with staging.batch() as batch:
        batch.add(Listed(1, b"u"), iter([MAIL]), NOW)
        if after_stage:
            yield batch.stage()
        raise KeyboardInterrupt


def test_an_exception_removes_what_a_batch_wrote(staging: Hold, place: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        next(interrupted(staging, after_stage=False))
    assert staged_in(place) == []


def test_an_exception_after_stage_removes_nothing(staging: Hold, place: Path) -> None:
    run = interrupted(staging, after_stage=True)
    staged = next(run)
    with pytest.raises(KeyboardInterrupt):
        next(run)
    finish(staging, staged)
    assert len(messages(place)) == 1


@pytest.mark.parametrize("error", [ConnectionLost("gone", phase=Phase.RETRIEVE), KeyboardInterrupt()])
def test_a_message_that_breaks_off_leaves_nothing_and_the_others_stay(
    staging: Hold, place: Path, error: BaseException
) -> None:
    with staging.batch() as batch:
        batch.add(Listed(1, b"u1"), iter([MAIL]), NOW)
        before = staged_in(place)
        with pytest.raises(type(error)):
            batch.add(Listed(2, b"u2"), broken(error), NOW)
        assert len(batch) == 1
        staged = batch.stage()
    assert [s.uidl for s in staged] == [b"u1"]
    assert staged_in(place) == before


def test_an_empty_batch_stages_and_publishes_nothing(staging: Hold) -> None:
    with staging.batch() as batch:
        assert batch.stage() == ()
        assert batch.publish() == ()


def test_a_staged_batch_is_over(staging: Hold) -> None:
    with staging.batch() as batch:
        batch.stage()
        with pytest.raises(RuntimeError):
            batch.stage()
        with pytest.raises(RuntimeError):
            batch.add(Listed(1, b"u"), iter([MAIL]), NOW)


def test_nothing_is_published_that_is_not_staged(staging: Hold) -> None:
    with staging.batch() as batch:
        batch.add(Listed(1, b"u"), iter([MAIL]), NOW)
        with pytest.raises(RuntimeError):
            batch.publish()


def test_sweep_removes_all_that_is_staged_and_counts_messages(staging: Hold, place: Path) -> None:
    stage(staging, b"u1", b"u2")
    assert staging.sweep() == 2
    assert staged_in(place) == []
    assert staging.sweep() == 0


def test_sweep_touches_nothing_published(staging: Hold, place: Path) -> None:
    deliver(staging, b"u1")
    seen = visible(place)
    staging.sweep()
    assert visible(place) == seen


def test_two_owners_of_one_sink_leave_each_others_staging_alone(
    sink: Sink, staging: Hold, place: Path
) -> None:
    staged = stage(staging, b"u")
    with held(sink_of(sink.spec.partition(":")[0], place, owner=f"{OTHER}-{LEDGER}")) as other:
        assert other.sweep() == 0
    finish(staging, staged)
    assert len(messages(place)) == 1


def test_one_poll_at_a_time_has_a_staging_directory(sink: Sink, staging: Hold) -> None:
    assert staging.where.place
    with pytest.raises(MailboxLocked), sink.hold(None):
        pass


def test_a_staging_directory_that_was_let_go_can_be_taken(sink: Sink) -> None:
    for _ in range(2):
        with held(sink):
            pass


def test_recovery_finds_the_very_directory_that_the_ledger_knows(sink: Sink, place: Path) -> None:
    with held(sink) as staging:
        where, staged = staging.where, stage(staging, b"u")
    with sink.find(where) as found:
        assert found is not None
        finish(found, staged)
    assert len(messages(place)) == 1


def test_a_directory_made_by_hand_in_its_stead_is_not_the_one_that_the_ledger_knows(
    sink: Sink, place: Path
) -> None:
    with held(sink) as staging:
        where = staging.where
    staging_of(place).rename(place.with_name("moved"))
    (place.with_name("moved").parent / "sink").joinpath(
        ".staging" if sink.spec.startswith("spool") else "mailsluice-staging", OWNER
    ).mkdir(mode=0o700)
    with sink.find(where) as found:
        assert found is None


def test_recovery_makes_no_directory(sink: Sink, place: Path) -> None:
    with held(sink) as staging:
        where = staging.where
    place.rename(place.with_name("moved"))
    with sink.find(where) as found:
        assert found is None
    assert not place.exists()
    place.mkdir()
    with sink.find(where) as found:
        assert found is None
    assert list(place.iterdir()) == []


def test_recovery_makes_no_claim(sink: Sink, place: Path) -> None:
    with held(sink) as staging:
        claim = staging_of(place) / "claim"
        claim.unlink()
        with sink.find(staging.where) as found:
            assert found is None
        assert not claim.exists()
        staging.refuse_if_lost()


def test_a_sink_that_was_there_before_is_not_made_anew(sink: Sink, place: Path) -> None:
    with held(sink) as staging:
        where = staging.where
    place.rename(place.with_name("moved"))
    with pytest.raises(SinkRefused, match="missing") as error, sink.hold(where):
        pass
    assert "mount" in error.value.remedy
    assert not place.exists()


def test_a_sink_whose_parent_is_missing_says_what_to_do(sink: Sink, tmp_path: Path) -> None:
    lost = sink_of(sink.spec.partition(":")[0], tmp_path / "not" / "there" / "sink")
    with pytest.raises(SinkError, match="not/there") as error, lost.hold(None):
        pass
    assert "mount" in error.value.remedy


def test_messages_of_one_moment_get_names_of_their_own(staging: Hold) -> None:
    names = {staged.name for staged in stage(staging, *(b"%d" % n for n in range(100)))}
    assert len(names) == 100


def test_names_sort_by_the_time_of_arrival(staging: Hold) -> None:
    with staging.batch() as batch:
        for number in range(20):
            batch.add(Listed(number, b"%d" % number), iter([MAIL]), NOW + timedelta(milliseconds=90 * number))
        names = [staged.name for staged in batch.stage()]
    assert names == sorted(names)
