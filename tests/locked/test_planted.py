"""Things planted in the place of what a sink opens, sweeps, or renames over."""

from __future__ import annotations

from pathlib import Path

import pytest

from locked.sinks import KINDS, Sink, publish, sink_of, stage, staging_of, target_of, uses
from mailsluice.errors import SinkError
from mailsluice.model import Staged
from support.plants import PLANTS, plant, untouched
from support.sinks import held
from support.staging import staged_in

pytestmark = [pytest.mark.parametrize("kind", KINDS), pytest.mark.timeout(10)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sink"


@pytest.fixture
def sink(kind: str, path: Path) -> Sink:
    return sink_of(kind, path)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    return tmp_path / "victim"


def published(sink: Sink, path: Path, staged: Staged) -> list[Path]:
    """The files a message will be published as."""
    target = target_of(sink, path)
    if target == path:
        return [target / f"{staged.name}.json", target / f"{staged.name}.eml"]
    return [target / staged.name]


def put_in_the_place_of(directory: Path, what: str, victim: Path) -> Path:
    """Move a directory away, plant something where it was; where it is now."""
    away = victim.with_name("away")
    directory.rename(away)
    if what == "link to a directory":
        directory.symlink_to(away)
    else:
        plant(what, directory, victim)
    return away


@pytest.mark.parametrize("what", [*PLANTS, "link to a directory"])
@pytest.mark.parametrize("place", ["the sink", "staging", "owner"])
def test_what_is_planted_in_the_place_of_a_directory_is_refused_and_not_followed(
    sink: Sink, path: Path, victim: Path, place: str, what: str
) -> None:
    where, _ = stage(sink)
    owner = staging_of(sink, path)
    spot = {"the sink": path, "staging": owner.parent, "owner": owner}[place]
    away = put_in_the_place_of(spot, what, victim)
    before = sorted(away.rglob("*"))

    for use in uses(sink, where):
        with pytest.raises(SinkError):
            use()

    assert sorted(away.rglob("*")) == before
    assert untouched(victim)


@pytest.mark.parametrize("what", PLANTS)
@pytest.mark.parametrize("name", ["x.eml", "x.json", ".x", "-rf", "line\nend\x1b[2J"])
def test_what_is_planted_in_staging_is_swept_and_nothing_behind_it_is_touched(
    sink: Sink, path: Path, victim: Path, what: str, name: str
) -> None:
    stage(sink)
    plant(what, staging_of(sink, path) / name, victim)

    with held(sink) as staging:
        assert staging.sweep() == 2

    assert staged_in(path) == []
    assert untouched(victim)


def test_a_directory_in_staging_is_an_error_that_says_what_to_do(sink: Sink, path: Path) -> None:
    stage(sink)
    planted = staging_of(sink, path) / "x.eml"
    planted.mkdir()
    with held(sink) as staging, pytest.raises(SinkError, match=str(planted)) as error:
        staging.sweep()
    assert "remove the directory" in error.value.remedy


@pytest.mark.parametrize("what", [*PLANTS, "directory"])
def test_a_name_that_somebody_guessed_is_not_written_through(
    sink: Sink, path: Path, victim: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.urandom", bytes)
    stage(sink)
    for file in staged_in(path):
        file.unlink()
        plant(what, file, victim if what != "hard link" else victim.with_name(file.name))

    with pytest.raises(SinkError, match="EEXIST"):
        stage(sink)

    assert untouched(victim)


@pytest.mark.parametrize("what", [*PLANTS, "directory"])
def test_what_is_planted_under_a_published_name_stays_and_the_message_comes_again_under_another(
    sink: Sink, path: Path, victim: Path, what: str
) -> None:
    where, staged = stage(sink)
    *_, message = published(sink, path, staged[0])
    plant(what, message, victim)
    before = message.lstat()

    assert publish(sink, where, staged) == ()

    assert message.lstat().st_ino == before.st_ino
    assert untouched(victim)
