"""What the sinks promise that are directories, a spool and a Maildir, beside `test_sink_contract`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailsluice.errors import SinkError, SinkRefused
from support.sinks import KINDS, OWNER, Sink, held, sink_of, stage
from support.staging import staged_in, staging_of


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "sink"


@pytest.fixture(params=KINDS)
def sink(request: pytest.FixtureRequest, place: Path) -> Sink:
    kind: str = request.param
    return sink_of(kind, place)


def test_names_in_staging_end_in_nothing_that_a_consumer_looks_for(sink: Sink, place: Path) -> None:
    with held(sink) as staging:
        stage(staging, b"u")
    assert {path.name.rpartition("-")[2] for path in staged_in(place)} == {"staged"}


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
