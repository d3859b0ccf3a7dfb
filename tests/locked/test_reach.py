"""Sinks in the reach of other users, with the kernel's own idea of who may do what."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from locked.sinks import KINDS, delivered, publish, sink_of, stage, staging_of, uses
from mailsluice.errors import SinkError
from support.staging import staged_in
from support.users import ANN, NOBODY, NOGROUP, acting_as, common_ground, given, need_root

pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def ground() -> Iterator[Path]:
    need_root()
    with common_ground() as ground:
        yield ground


def test_a_user_s_own_sink_in_a_directory_of_root_s_is_used(kind: str, ground: Path) -> None:
    sink = sink_of(kind, given(ground / "spool", NOBODY, 0o700))
    with acting_as(NOBODY):
        publish(sink, *stage(sink))
    assert delivered(sink, ground / "spool") == 1


def test_a_user_s_own_sink_is_used_in_the_home_that_it_lies_in(kind: str, ground: Path) -> None:
    given(ground / "ann", ANN, 0o700)
    sink = sink_of(kind, ground / "ann" / "Mail")
    with acting_as(ANN):
        publish(sink, *stage(sink))
        assert delivered(sink, ground / "ann" / "Mail") == 1


def test_a_sink_of_root_s_that_is_shared_with_our_group_is_used(kind: str, ground: Path) -> None:
    sink = sink_of(kind, given(ground / "spool", 0, 0o2770))
    with acting_as(NOBODY):
        publish(sink, *stage(sink))
    assert delivered(sink, ground / "spool") == 1


def test_a_consumer_of_the_group_takes_a_message_out_of_a_sink_that_is_not_its_own(
    kind: str, ground: Path
) -> None:
    path = given(ground / "spool", NOBODY, 0o2770)
    sink = sink_of(kind, path)
    with acting_as(NOBODY):
        if kind == "maildir":
            for part in ("new", "cur", "tmp"):
                (path / part).mkdir()
                (path / part).chmod(0o2770)
        publish(sink, *stage(sink))
    with acting_as(ANN):
        for file in (path if kind == "spool" else path / "new").glob("[0-9]*"):
            file.unlink()
    with acting_as(NOBODY):
        publish(sink, *stage(sink))
    assert delivered(sink, path) == 1


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_sink_that_everybody_can_write_is_refused_untouched(kind: str, ground: Path, mode: int) -> None:
    path = given(ground / "spool", NOBODY, mode)
    with acting_as(NOBODY):
        for use in uses(sink_of(kind, path)):
            with pytest.raises(SinkError, match="written by everybody") as error:
                use()
            assert error.value.remedy == f"chmod o-w {path}"
    assert list(path.iterdir()) == []


def test_a_sink_of_another_user_is_refused_though_our_group_may_write_it(kind: str, ground: Path) -> None:
    path = given(ground / "spool", ANN, 0o770)
    with acting_as(NOBODY):
        for use in uses(sink_of(kind, path)):
            with pytest.raises(SinkError, match="belongs to another user") as error:
                use()
            assert f"chown {NOBODY} {path}" in error.value.remedy
    assert list(path.iterdir()) == []


def test_root_does_not_deliver_into_a_user_s_home(kind: str, ground: Path) -> None:
    given(ground / "ann", ANN, 0o700)
    for use in uses(sink_of(kind, ground / "ann" / "Mail")):
        with pytest.raises(SinkError, match=f"{ground}/ann belongs to another user"):
            use()
    assert list((ground / "ann").iterdir()) == []


def test_a_sink_that_others_could_exchange_for_another_is_refused(kind: str, ground: Path) -> None:
    above = given(ground / "above", 0, 0o777)
    path = given(above / "spool", NOBODY, 0o700)
    with acting_as(NOBODY):
        for use in uses(sink_of(kind, path)):
            with pytest.raises(SinkError, match="on the way") as error:
                use()
            assert error.value.remedy == f"chmod o-w {above}"
    assert list(path.iterdir()) == []


def test_an_empty_sink_slipped_in_after_staging_does_not_pass_for_a_published_one(
    kind: str, ground: Path
) -> None:
    above, old = given(ground / "above", NOBODY, 0o755), ground / "above" / "old"
    path = given(above / "spool", NOBODY, 0o700)
    sink = sink_of(kind, path)
    with acting_as(NOBODY):
        where, staged = stage(sink)
        stage(sink_of(kind, old))
        for file in staged_in(old):
            file.unlink()
    above.chmod(0o777)
    with acting_as(ANN):
        path.rename(above / "kept")
        old.rename(path)
    with acting_as(NOBODY), pytest.raises(SinkError, match="on the way"):
        publish(sink, where, staged)


def test_a_way_through_a_link_in_a_public_directory_is_refused(kind: str, ground: Path) -> None:
    given(ground / "public", 0, 0o1777)
    given(ground / "real", NOBODY, 0o700)
    with acting_as(ANN):
        (ground / "public" / "link").symlink_to("../real")
    with acting_as(NOBODY):
        for use in uses(sink_of(kind, ground / "public" / "link" / "spool")):
            with pytest.raises(SinkError, match="public/link belongs to another user"):
                use()
    assert list((ground / "real").iterdir()) == []


@pytest.mark.parametrize("level", [".", ".."])
@pytest.mark.parametrize("problem", ["owner", "mode"])
def test_a_staging_directory_that_others_have_a_hand_in_is_refused(
    kind: str, ground: Path, level: str, problem: str
) -> None:
    path = given(ground / "spool", NOBODY, 0o700)
    sink = sink_of(kind, path)
    with acting_as(NOBODY):
        where, _ = stage(sink)
    place = staging_of(sink, path) / level
    if problem == "owner":
        os.chown(place, ANN, NOGROUP)
        place.chmod(0o770)
    else:
        place.chmod(0o720)
    with acting_as(NOBODY):
        for use in uses(sink, where):
            with pytest.raises(SinkError, match=r"belongs to another user|written by others") as error:
                use()
            assert str(place.resolve()) in error.value.remedy
