"""The directories of a Maildir that was there before, or was made ready by somebody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from locked.sinks import publish, sink_of, stage
from mailsluice.errors import SinkError
from support.plants import PLANTS, plant, untouched
from support.sinks import held
from support.users import ANN, need_root


@pytest.mark.parametrize("part", ["new", "cur", "tmp"])
def test_a_part_of_a_maildir_that_everybody_can_write_is_refused(tmp_path: Path, part: str) -> None:
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / part).chmod(0o777)
    with pytest.raises(SinkError) as error, held(sink_of("maildir", tmp_path)):
        pass
    assert error.value.remedy == f"chmod o-w {tmp_path}/{part}"


def test_nothing_is_published_into_a_new_that_another_user_put_there(tmp_path: Path) -> None:
    need_root()
    sink = sink_of("maildir", tmp_path)
    where, staged = stage(sink)
    os.chown(tmp_path / "new", ANN, -1)
    with pytest.raises(SinkError, match="new belongs to another user"):
        publish(sink, where, staged)
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.timeout(10)
@pytest.mark.parametrize("what", [*PLANTS, "link to a directory"])
@pytest.mark.parametrize("part", ["new", "cur", "tmp"])
def test_what_is_planted_in_the_place_of_a_part_is_refused_and_not_followed(
    tmp_path: Path, part: str, what: str
) -> None:
    path = tmp_path / "Maildir"
    sink = sink_of("maildir", path)
    where, staged = stage(sink)
    (path / part).rename(tmp_path / "away")
    if what == "link to a directory":
        (path / part).symlink_to(tmp_path / "away")
    else:
        plant(what, path / part, tmp_path / "victim")

    with pytest.raises(SinkError, match=part), held(sink_of("maildir", path)):
        pass
    if part == "new":
        with pytest.raises(SinkError, match=part):
            publish(sink, where, staged)

    assert list((tmp_path / "away").iterdir()) == []
    assert untouched(tmp_path / "victim")
