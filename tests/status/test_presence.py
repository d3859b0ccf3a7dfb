"""What a daemon says of itself in a file, and what another process makes of it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailsluice.config.models import Config
from mailsluice.errors import LedgerError, Phase
from mailsluice.ledger.lock import ServiceLock
from mailsluice.model import MailboxKey
from mailsluice.polling.under_way import Running
from mailsluice.status import presence as presence_
from mailsluice.status.presence import FILE, Configuration, Daemon, Presence, Refusal, look

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
KEY = MailboxKey("pop.example", "a@acme.example")
RUNNING = {KEY: Running(START, Phase.RETRIEVE, 3, 12, 4711)}
FILES = (Path("/etc/mailsluice/mailsluice.toml"), Path("/etc/mailsluice/mailboxes.d/a.toml"))


class Clock:
    def __init__(self) -> None:
        self.passed = timedelta()

    def now(self) -> datetime:
        return START + self.passed

    def monotonic(self) -> float:
        return self.passed.total_seconds()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def lock(state_dir: Path) -> Iterator[ServiceLock]:
    with ServiceLock.take(state_dir) as lock:
        yield lock


@pytest.fixture
def daemon(lock: ServiceLock, clock: Clock) -> Presence:
    """A daemon that serves the state directory, and has not written yet."""
    return Presence(Config(files=FILES), clock)


def test_where_no_daemon_runs_none_is_seen_and_nothing_is_made(state_dir: Path) -> None:
    assert look(state_dir) == Daemon(running=False)
    assert not state_dir.exists()


def test_what_a_daemon_says_is_what_another_process_sees(daemon: Presence, state_dir: Path) -> None:
    daemon.write(state_dir, RUNNING)

    seen = look(state_dir)

    assert (seen.running, seen.problem) == (True, "")
    assert seen.said is not None
    assert (seen.said.pid, seen.said.since) == (os.getpid(), START)
    assert seen.said.configuration == Configuration(tuple(map(str, FILES)), START)
    assert seen.said.refused is None
    assert dict(seen.said.running) == RUNNING


def test_a_configuration_named_from_the_working_directory_is_shown_so_that_others_find_it(
    lock: ServiceLock, clock: Clock, state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Presence(Config(files=(Path("mailsluice.toml"),)), clock).write(state_dir, {})

    said = look(state_dir).said

    assert said is not None
    assert said.configuration.files == (str(tmp_path / "mailsluice.toml"),)


def test_names_that_are_no_text_are_shown_as_escapes(
    lock: ServiceLock, clock: Clock, state_dir: Path
) -> None:
    odd = os.fsdecode(b"/etc/b\xfcro.toml")  # Latin-1, and a path is its octets
    daemon = Presence(Config(files=(Path(odd),)), clock)
    daemon.refuse(f"{odd}: is not TOML", f"chmod go-w {odd}")
    daemon.write(state_dir, {})

    said = look(state_dir).said

    assert said is not None
    assert said.configuration.files == (r"/etc/b\udcfcro.toml",)
    assert said.refused is not None
    assert said.refused.mistakes == (r"/etc/b\udcfcro.toml: is not TOML",)
    assert said.refused.remedy == r"chmod go-w /etc/b\udcfcro.toml"


def test_the_file_of_a_dead_daemon_is_not_believed(
    daemon: Presence, lock: ServiceLock, state_dir: Path
) -> None:
    daemon.write(state_dir, RUNNING)
    lock.release()

    assert look(state_dir) == Daemon(running=False)


def test_the_file_that_a_dead_daemon_left_to_the_next_one_is_not_believed(
    daemon: Presence, state_dir: Path
) -> None:
    daemon.write(state_dir, RUNNING)
    file = state_dir / FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | {"pid": os.getpid() + 1}))

    assert look(state_dir) == Daemon(running=True, problem="it has no current status file")


def test_a_daemon_that_has_written_nothing_yet_runs(daemon: Presence, state_dir: Path) -> None:
    assert look(state_dir).running is True
    assert look(state_dir).said is None


def test_the_file_is_for_its_owner_alone_and_nothing_is_left_beside_it(
    daemon: Presence, state_dir: Path
) -> None:
    before = set(state_dir.iterdir())
    daemon.write(state_dir, RUNNING)

    assert stat.S_IMODE((state_dir / FILE).stat().st_mode) == 0o600
    assert set(state_dir.iterdir()) - before == {state_dir / FILE}


def test_it_is_written_once_a_second_at_most_and_the_latest_is(
    daemon: Presence, clock: Clock, state_dir: Path
) -> None:
    daemon.write(state_dir, {})
    daemon.write(state_dir, RUNNING)
    early = look(state_dir)
    clock.passed += timedelta(seconds=1)
    daemon.write(state_dir, RUNNING)
    late = look(state_dir)

    assert early.said is not None
    assert late.said is not None
    assert early.said.running == ()
    assert dict(late.said.running) == RUNNING


def test_it_is_not_written_again_where_nothing_has_changed(
    daemon: Presence, clock: Clock, state_dir: Path
) -> None:
    daemon.write(state_dir, RUNNING)
    first = (state_dir / FILE).stat()
    clock.passed += timedelta(hours=1)
    daemon.write(state_dir, RUNNING)

    assert os.path.samestat((state_dir / FILE).stat(), first)


def test_nothing_is_synced(daemon: Presence, state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise AssertionError

    monkeypatch.setattr(os, "fsync", fail)
    daemon.write(state_dir, RUNNING)


def test_a_refused_configuration_is_told_with_its_mistakes_and_since_the_first_refusal(
    daemon: Presence, clock: Clock, state_dir: Path
) -> None:
    clock.passed = timedelta(hours=1)
    daemon.refuse("one mistake", "correct it")
    clock.passed = timedelta(hours=2)
    daemon.refuse("a mistake\nanother", "correct them")
    daemon.write(state_dir, {})

    seen = look(state_dir)
    assert seen.said is not None
    refused = Refusal(START + timedelta(hours=1), ("a mistake", "another"), "correct them")
    assert seen.said.refused == refused
    assert seen.said.configuration.since == START


def test_a_configuration_that_comes_into_force_ends_a_refusal(
    daemon: Presence, clock: Clock, state_dir: Path
) -> None:
    daemon.refuse("a mistake", "correct it")
    clock.passed = timedelta(hours=1)
    daemon.follow(Config(files=FILES[:1]))
    daemon.write(state_dir, {})

    seen = look(state_dir)
    assert seen.said is not None
    assert seen.said.refused is None
    assert seen.said.since == START
    assert seen.said.configuration == Configuration((str(FILES[0]),), START + timedelta(hours=1))


def test_on_a_full_disk_what_is_true_no_longer_is_removed(
    daemon: Presence, clock: Clock, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: Path, _octets: bytes, *, durable: bool) -> None:
        assert not durable
        raise OSError(28, "No space left on device")

    daemon.write(state_dir, {})
    clock.passed += timedelta(seconds=1)
    with monkeypatch.context() as full:
        full.setattr(presence_, "replace_private", fail)
        with pytest.raises(LedgerError, match="No space left"):
            daemon.write(state_dir, RUNNING)
    assert look(state_dir).said is None
    clock.passed += timedelta(seconds=1)
    daemon.write(state_dir, RUNNING)
    assert look(state_dir).said is not None


def written(daemon: Presence, state_dir: Path) -> Path:
    daemon.write(state_dir, RUNNING)
    return state_dir / FILE


def change(key: str, value: object) -> Callable[[Path], object]:
    def spoil(file: Path) -> None:
        file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))

    return spoil


def link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda file: file.write_bytes(b""), "makes no sense"),
        (lambda file: file.write_bytes(b"[" * 100_000), "makes no sense"),
        (lambda file: file.write_bytes(b"\xff\xfe"), "makes no sense"),
        (lambda file: os.truncate(file, 2**23), "makes no sense"),
        (change("since", "2026-03-02T08:00:00"), "makes no sense"),
        (change("running", [[["h", "a"], {"since": 1e300}]]), "makes no sense"),
        (change("refused", "yes"), "makes no sense"),
        (lambda file: file.chmod(0o666), "can be written by others"),
        (link, "was not made by mailsluice"),
        (pipe, "was not made by mailsluice"),
    ],
)
def test_what_is_no_word_of_the_daemon_is_said_and_not_believed(
    daemon: Presence, state_dir: Path, spoil: Callable[[Path], object], problem: str
) -> None:
    spoil(written(daemon, state_dir))

    seen = look(state_dir)

    assert (seen.running, seen.said) == (True, None)
    assert problem in seen.problem


def test_what_may_be_anothers_is_said_with_what_helps(daemon: Presence, state_dir: Path) -> None:
    link(file := written(daemon, state_dir))

    assert look(state_dir).problem.endswith(f"; find out who made it, then `mv {file} {file}.planted`")


def test_a_lock_file_that_may_be_anothers_is_said_and_tells_nothing(
    daemon: Presence, state_dir: Path
) -> None:
    (state_dir / "locks" / "service.lock").chmod(0o666)

    seen = look(state_dir)

    assert seen.running is None
    assert "can be written by others" in seen.problem
    assert seen.problem.endswith(f"; chmod go= {state_dir / 'locks' / 'service.lock'}")


def test_a_value_that_is_kept_does_not_change_what_was_said(daemon: Presence, state_dir: Path) -> None:
    running = dict(RUNNING)
    daemon.write(state_dir, running)
    running[KEY] = replace(running[KEY], message=4)

    seen = look(state_dir)
    assert seen.said is not None
    assert dict(seen.said.running) == RUNNING
