"""What every sink promises: `session.ports.Sink` and `session.ports.Batch`, on each implementation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailsluice.errors import ConnectionLost, Phase, SinkError
from mailsluice.model import Listed, Staged
from mailsluice.session.ports import Sink
from mailsluice.sink.maildir import Maildir
from mailsluice.sink.sinks import sink_at
from mailsluice.sink.spool import Spool

NOW = datetime(2026, 3, 1, 12, 30, 45, 123456, tzinfo=UTC)
MAIL = b"Subject: x\r\n\r\nbody\r\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "sink"


@pytest.fixture(params=["spool", "maildir"])
def sink(request: pytest.FixtureRequest, place: Path) -> Sink:
    if request.param == "spool":
        return Spool(place, mailbox="inv", address="a@b.example", owner="one", mode=0o640)
    return Maildir(place, owner="one", mode=0o600)


def stage(sink: Sink, *uidls: bytes) -> tuple[Staged, ...]:
    with sink.batch() as batch:
        for number, uidl in enumerate(uidls, 1):
            batch.add(Listed(number, uidl, 99), iter([MAIL]), NOW)
        return batch.stage()


def visible(place: Path) -> list[Path]:
    return sorted([*place.glob("*.*"), *place.glob("new/*"), *place.glob("cur/*")])


def in_staging(place: Path) -> list[Path]:
    return [path for path in place.glob("*staging/**/*") if path.is_file()]


def messages(place: Path) -> list[Path]:
    return [path for path in visible(place) if path.suffix != ".json" and path.is_file()]


def broken(error: BaseException) -> Iterator[bytes]:
    yield MAIL
    raise error


def test_add_tells_the_octets_that_came(sink: Sink) -> None:
    with sink.batch() as batch:
        assert batch.add(Listed(1, b"u"), iter([MAIL[:3], MAIL[3:]]), NOW) == len(MAIL)
        assert len(batch) == 1


def test_staged_tells_uidl_size_as_sent_and_size_as_listed(sink: Sink) -> None:
    (staged,) = stage(sink, b"u")
    assert (staged.uidl, staged.size, staged.listed_size) == (b"u", len(MAIL), 99)
    assert "/" not in staged.name


def test_nothing_is_visible_before_publish(sink: Sink, place: Path) -> None:
    stage(sink, b"u")
    assert messages(place) == []


def test_publish_shows_every_message_in_their_order(sink: Sink, place: Path) -> None:
    staged = stage(sink, b"u1", b"u2")
    stored = sink.publish(staged)
    assert [(s.uidl, s.name) for s in stored] == [(s.uidl, s.name) for s in staged]
    assert len(messages(place)) == 2
    assert in_staging(place) == []


def test_publish_again_changes_nothing(sink: Sink, place: Path) -> None:
    staged = stage(sink, b"u1", b"u2")
    first = sink.publish(staged)
    seen = visible(place)
    assert sink.publish(staged) == first
    assert visible(place) == seen


def test_a_message_a_consumer_took_is_not_published_again(sink: Sink, place: Path) -> None:
    staged = stage(sink, b"u1", b"u2")
    sink.publish(staged[:1])
    messages(place)[0].unlink()
    assert len(sink.publish(staged)) == 2
    assert len(messages(place)) == 1


def test_publishing_nothing_needs_no_sink(sink: Sink, place: Path) -> None:
    assert sink.publish(()) == ()
    assert not place.exists()


def test_leaving_a_batch_without_stage_removes_what_it_wrote(sink: Sink, place: Path) -> None:
    with sink.batch() as batch:
        batch.add(Listed(1, b"u"), iter([MAIL]), NOW)
    assert in_staging(place) == []


def interrupted(sink: Sink, *, after_stage: bool) -> Iterator[tuple[Staged, ...]]:
    """Fill a batch, perhaps stage it, and be interrupted inside it."""
    with sink.batch() as batch:
        batch.add(Listed(1, b"u"), iter([MAIL]), NOW)
        if after_stage:
            yield batch.stage()
        raise KeyboardInterrupt


def test_an_exception_removes_what_a_batch_wrote(sink: Sink, place: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        next(interrupted(sink, after_stage=False))
    assert in_staging(place) == []


def test_an_exception_after_stage_removes_nothing(sink: Sink, place: Path) -> None:
    run = interrupted(sink, after_stage=True)
    staged = next(run)
    with pytest.raises(KeyboardInterrupt):
        next(run)
    sink.publish(staged)
    assert len(messages(place)) == 1


@pytest.mark.parametrize("error", [ConnectionLost("gone", phase=Phase.RETRIEVE), KeyboardInterrupt()])
def test_a_message_that_breaks_off_leaves_nothing_and_the_others_stay(
    sink: Sink, place: Path, error: BaseException
) -> None:
    with sink.batch() as batch:
        batch.add(Listed(1, b"u1"), iter([MAIL]), NOW)
        with pytest.raises(type(error)):
            batch.add(Listed(2, b"u2"), broken(error), NOW)
        assert len(batch) == 1
        staged = batch.stage()
    assert [s.uidl for s in staged] == [b"u1"]
    assert {path.name.removesuffix(".json").removesuffix(".eml") for path in in_staging(place)} == {
        staged[0].name.partition(",")[0]
    }


def test_an_empty_batch_stages_nothing(sink: Sink) -> None:
    with sink.batch() as batch:
        assert batch.stage() == ()


def test_a_staged_batch_is_over(sink: Sink) -> None:
    with sink.batch() as batch:
        batch.stage()
        with pytest.raises(RuntimeError):
            batch.stage()
        with pytest.raises(RuntimeError):
            batch.add(Listed(1, b"u"), iter([MAIL]), NOW)


def test_sweep_removes_all_that_is_staged_and_counts_messages(sink: Sink, place: Path) -> None:
    stage(sink, b"u1", b"u2")
    assert sink.sweep() == 2
    assert in_staging(place) == []
    assert sink.sweep() == 0


def test_sweep_touches_nothing_published(sink: Sink, place: Path) -> None:
    sink.publish(stage(sink, b"u1"))
    seen = visible(place)
    sink.sweep()
    assert visible(place) == seen


def test_sweep_of_a_sink_never_used_makes_nothing(sink: Sink, place: Path) -> None:
    assert sink.sweep() == 0
    assert not place.exists()


def test_two_owners_of_one_sink_leave_each_others_staging_alone(sink: Sink, place: Path) -> None:
    other = sink_at(sink.spec, "two")
    staged = stage(sink, b"u")
    assert other.sweep() == 0
    sink.publish(staged)
    assert len(messages(place)) == 1


def test_recovery_finds_the_sink_by_its_spec(sink: Sink, place: Path) -> None:
    staged = stage(sink, b"u")
    again: Sink = sink_at(sink.spec, "one")
    assert again.spec == sink.spec
    again.publish(staged)
    assert len(messages(place)) == 1


def test_publish_never_makes_a_missing_staging_directory(sink: Sink, place: Path) -> None:
    staged = stage(sink, b"u")
    place.rename(place.with_name("moved"))
    with pytest.raises(SinkError, match="is missing"):
        sink.publish(staged)
    place.mkdir()
    with pytest.raises(SinkError, match="is missing"):
        sink.publish(staged)


def test_a_sink_whose_parent_is_missing_says_what_to_do(tmp_path: Path, sink: Sink) -> None:
    lost = sink_at(sink.spec.replace(str(tmp_path), f"{tmp_path}/not/there"), "one")
    with pytest.raises(SinkError, match="not/there") as error:
        lost.batch()
    assert "mount" in error.value.remedy


def test_messages_of_one_moment_get_names_of_their_own(sink: Sink) -> None:
    names = {staged.name for staged in stage(sink, *(b"%d" % n for n in range(100)))}
    assert len(names) == 100


def test_names_sort_by_the_time_of_arrival(sink: Sink) -> None:
    with sink.batch() as batch:
        for number in range(20):
            batch.add(Listed(number, b"%d" % number), iter([MAIL]), NOW + timedelta(milliseconds=90 * number))
        names = [staged.name for staged in batch.stage()]
    assert names == sorted(names)
