"""A look into a sink: it finds what a poll finds, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mailsluice.errors import MailsluiceError, SinkError, SinkRefused
from mailsluice.model import Where
from mailsluice.sink.looking import Look
from support.plants import plant
from support.sinks import FEEDER, MAILBOX, OTHER, Sink, deliver, held, sink_of
from support.staging import staging_of

Break = Callable[[Path, Path], None]


@pytest.fixture
def root(sink: Sink) -> Path:
    return Path(sink.spec.partition(":")[2])


@pytest.fixture
def where(sink: Sink) -> Where:
    """Where a first poll stored a message."""
    with held(sink) as staging:
        deliver(staging, b"u1")
        return staging.where


def everything(top: Path) -> dict[str, tuple[int, ...]]:
    """All that is there, and all that would show a change."""
    found: dict[str, tuple[int, ...]] = {}
    for path in (top, *top.rglob("*")):
        status = path.lstat()
        times = status.st_mtime_ns, status.st_ctime_ns
        found[str(path)] = (status.st_ino, status.st_mode, status.st_size, *times)
    return found


def looked(sink: Sink, known: Where | None = None) -> Look:
    return sink.look(known)


def test_a_sink_that_is_missing_is_one_that_a_poll_makes(sink: Sink, root: Path, tmp_path: Path) -> None:
    before = everything(tmp_path)
    look = looked(sink)

    assert (look.is_there, look.is_ours, look.others) == (False, False, ())
    assert look.written == (root.parent,)
    assert everything(tmp_path) == before


def test_an_empty_directory_is_one_that_a_poll_makes_its_parts_in(sink: Sink, root: Path) -> None:
    root.mkdir()
    look = looked(sink)

    assert (look.is_there, look.is_ours) == (True, False)
    assert look.written == (root,)
    assert list(root.iterdir()) == []


def test_a_sink_that_we_feed_is_ours_and_stays_as_it_is(
    sink: Sink, root: Path, where: Where, tmp_path: Path
) -> None:
    before = everything(tmp_path)
    look = looked(sink, where)

    assert (look.is_there, look.is_ours, look.others) == (True, True, ())
    assert everything(tmp_path) == before


def test_the_directories_in_which_a_poll_makes_something_are_told(
    sink: Sink, root: Path, where: Where
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (root, *root.rglob("*")) if path.is_dir()}
    look = looked(sink, where)
    with held(sink, where) as staging:
        deliver(staging, b"u2")
    changed = {path for path, time in before.items() if path.stat().st_mtime_ns != time}

    assert changed <= set(look.written) <= set(look.opened)


def test_a_poll_that_is_at_work_is_not_disturbed(sink: Sink, where: Where) -> None:
    with held(sink, where) as staging:
        assert looked(sink, where).is_ours
        staging.refuse_if_lost()


def test_another_ledger_that_feeds_it_is_told(sink: Sink, root: Path, where: Where) -> None:
    theirs = replace(FEEDER, ledger="other", host="bureau")
    other = sink_of(root.name, root, owner=f"{MAILBOX}-{OTHER}", feeder=theirs)

    look = other.look(None)

    assert not look.is_ours
    assert look.others == (FEEDER,)


def unmounted(known: Where, tmp_path: Path) -> Where:
    return replace(known, mounts=(str(tmp_path),))


def _gone(root: Path, tmp_path: Path) -> None:
    root.rename(tmp_path / "elsewhere")


def _a_file(root: Path, tmp_path: Path) -> None:
    _gone(root, tmp_path)
    root.write_text("")


def _a_link(root: Path, tmp_path: Path) -> None:
    _gone(root, tmp_path)
    root.symlink_to(tmp_path / "elsewhere")


def _a_pipe(root: Path, tmp_path: Path) -> None:
    _gone(root, tmp_path)
    plant("fifo", root, tmp_path / "victim")


def _open_to_all(root: Path, _tmp_path: Path) -> None:
    root.chmod(0o777)


def _a_way_open_to_all(_root: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)


def _staging_of_all(root: Path, _tmp_path: Path) -> None:
    staging_of(root).chmod(0o777)


def _a_link_for_staging(root: Path, tmp_path: Path) -> None:
    place = staging_of(root)
    place.rename(tmp_path / "staging")
    place.symlink_to(tmp_path / "staging")


@pytest.mark.parametrize(
    "harm",
    [
        _gone,
        _a_file,
        _a_link,
        _a_pipe,
        _open_to_all,
        _a_way_open_to_all,
        _staging_of_all,
        _a_link_for_staging,
    ],
)
def test_what_a_poll_refuses_is_refused_with_the_same_words(
    sink: Sink, root: Path, where: Where, tmp_path: Path, harm: Break
) -> None:
    harm(root, tmp_path)
    before = everything(tmp_path)
    with pytest.raises(SinkError) as error:
        looked(sink, where)
    assert everything(tmp_path) == before
    with pytest.raises(SinkError) as of_a_poll, held(sink, where):
        pass

    assert told(error.value) == told(of_a_poll.value)


def told(error: MailsluiceError) -> tuple[type, str, str, bool]:
    return type(error), str(error), error.remedy, error.denied


def test_a_file_system_that_is_not_mounted_is_refused_with_the_same_words(
    sink: Sink, where: Where, tmp_path: Path
) -> None:
    known = unmounted(where, tmp_path)
    with pytest.raises(SinkRefused, match="nothing is mounted on") as error:
        looked(sink, known)
    with pytest.raises(SinkRefused) as of_a_poll, held(sink, known):
        pass

    assert told(error.value) == told(of_a_poll.value)


def test_a_sink_that_another_ledger_would_fill_twice_is_refused_with_the_same_words(
    sink: Sink, root: Path, where: Where
) -> None:
    theirs = replace(FEEDER, ledger="other", host="bureau")
    other = sink_of(root.name, root, owner=f"{MAILBOX}-{OTHER}", feeder=theirs, keeps=True)
    with pytest.raises(SinkRefused, match="by another ledger already") as error:
        other.look(None)
    with pytest.raises(SinkRefused) as of_a_poll, held(other):
        pass

    assert told(error.value) == told(of_a_poll.value)


def test_a_sink_that_was_given_to_another_ledger_is_refused_with_the_same_words(
    sink: Sink, root: Path, where: Where
) -> None:
    sink_of(root.name, root, owner=f"{MAILBOX}-{OTHER}", feeder=replace(FEEDER, ledger="other")).adopt()
    with pytest.raises(SinkRefused, match="was given to another ledger") as error:
        looked(sink, where)
    with pytest.raises(SinkRefused) as of_a_poll, held(sink, where):
        pass

    assert told(error.value) == told(of_a_poll.value)


def test_a_sink_without_a_place_for_it_is_refused(tmp_path: Path) -> None:
    sink = sink_of("spool", tmp_path / "missing" / "spool")
    with pytest.raises(SinkError) as error:
        looked(sink)
    with pytest.raises(SinkError) as of_a_poll, held(sink):
        pass

    assert told(error.value) == told(of_a_poll.value)
