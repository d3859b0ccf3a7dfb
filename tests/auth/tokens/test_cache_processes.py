"""What one process leaves for the next: a token, a wait, and whether it let anybody in."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest
from structlog.testing import capture_logs

from auth.hand_clock import HandClock
from auth.hand_source import HandSource, outage, refusal, throttled
from mailsluice.auth.sources.source import Token
from mailsluice.auth.tokens.cache import TokenCache
from mailsluice.auth.tokens.file import TokenFile, Turn
from mailsluice.auth.tokens.said import SaidToday
from mailsluice.clock import Clock, SystemClock
from mailsluice.errors import TokenError, TokenRefused, TokenUnavailable

MINUTE = 60.0
DAY = 86_400.0


class Machine:
    """Its clock, its provider, and a state directory in which processes come and go."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        self.source = HandSource()

    def file(self) -> TokenFile:
        return TokenFile(self.folder, "one", SaidToday(self.folder / "said", self.clock), self.clock)

    def process(self, patience: float = 5.0) -> TokenCache:
        """A process that starts now."""
        return TokenCache(self.source, self.clock, file=self.file(), patience=patience, draw=lambda: 0.5)

    @property
    def path(self) -> Path:
        return self.folder / "tokens" / "one.token"


@pytest.fixture
def machine(tmp_path: Path, clock: HandClock) -> Machine:
    return Machine(tmp_path, clock)


def test_five_processes_in_an_hour_make_one_request(machine: Machine, clock: HandClock) -> None:
    for _ in range(5):
        assert machine.process().token() == "canary-token-1"
        clock.seconds += 11 * MINUTE
    assert machine.source.asked == 1


def test_a_token_is_renewed_at_the_same_time_whatever_process_comes(
    machine: Machine, clock: HandClock
) -> None:
    machine.process().token()
    clock.seconds += 45 * MINUTE - 1
    assert machine.process().token() == "canary-token-1"
    clock.seconds += 1
    assert machine.process().token() == "canary-token-2"
    assert machine.process().token() == "canary-token-2"


def test_ten_processes_that_begin_together_make_one_request(machine: Machine) -> None:
    processes = [machine.process() for _ in range(10)]
    with ThreadPoolExecutor(10) as pool:
        tokens = [future.result() for future in [pool.submit(process.token) for process in processes]]
    assert set(tokens) == {"canary-token-1"}
    assert machine.source.asked == 1


def test_a_daemon_takes_over_what_another_process_renewed(machine: Machine, clock: HandClock) -> None:
    daemon = machine.process()
    daemon.token()
    clock.seconds += 45 * MINUTE
    machine.process().token()
    assert daemon.token() == "canary-token-2"
    assert machine.source.asked == 2


def test_while_another_process_renews_the_present_token_is_used(machine: Machine, clock: HandClock) -> None:
    daemon = machine.process(patience=3600)
    daemon.token()
    clock.seconds += 45 * MINUTE
    with machine.file().turn(0):
        assert daemon.token() == "canary-token-1"
        assert machine.process(patience=3600).token() == "canary-token-1"
    assert machine.source.asked == 1


@pytest.mark.parametrize("answer", [outage, refusal])
def test_the_last_good_token_from_the_file_is_used_to_its_end_while_no_other_is_to_be_had(
    machine: Machine, clock: HandClock, answer: object
) -> None:
    machine.process().token()
    machine.source.answer = answer  # type: ignore[assignment]
    clock.seconds += 58 * MINUTE - 1
    assert machine.process().token() == "canary-token-1"
    clock.seconds += 1
    with pytest.raises(TokenError):
        machine.process().token()


def test_a_process_that_was_stopped_in_its_turn_stops_no_other(machine: Machine) -> None:
    with machine.file().turn(0) as turn, capture_logs() as logged:
        assert turn is Turn.OURS
        assert machine.process(patience=0.1).token() == "canary-token-1"
    (line,) = logged
    assert line["event"] == "token not kept"
    assert "one.lock" in line["error"]


def test_threads_outlast_the_wait_of_one_of_them_for_a_process_that_was_stopped(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SystemClock())

    def slow() -> Token:
        sleep(0.1)
        return machine.source.token()

    machine.source.answer = slow
    process = machine.process(patience=0.5)
    with machine.file().turn(0), ThreadPoolExecutor(10) as pool, capture_logs():
        tokens = [future.result() for future in [pool.submit(process.token) for _ in range(10)]]
    assert set(tokens) == {"canary-token-1"}


def test_no_process_asks_before_the_provider_wants_it(machine: Machine, clock: HandClock) -> None:
    machine.source.answer = throttled
    for _ in range(9):
        with pytest.raises(TokenUnavailable, match="too often"):
            machine.process().token()
        clock.seconds += 9.9
    assert machine.source.asked == 1
    machine.source.answer = machine.source.token
    clock.seconds += 1
    assert machine.process().token() == "canary-token-2"
    machine.process().token()
    assert machine.source.asked == 2


def test_a_provider_that_wants_quiet_does_not_end_the_token_there_is(
    machine: Machine, clock: HandClock
) -> None:
    machine.process().token()
    machine.source.answer = throttled
    clock.seconds += 45 * MINUTE
    for _ in range(3):
        assert machine.process().token() == "canary-token-1"
    assert machine.source.asked == 2


def test_a_refusal_is_not_kept_so_that_what_was_corrected_works_at_once(machine: Machine) -> None:
    machine.source.answer = refusal
    with pytest.raises(TokenRefused):
        machine.process().token()
    machine.source.answer = machine.source.token
    assert machine.process().token() == "canary-token-2"


def poll(machine: Machine, *, good: int, bad: int = 1) -> None:
    """One process that polls these mailboxes; those without access come first."""
    process = machine.process()
    for _ in range(bad):
        process.refused(process.token())
    for _ in range(good):
        process.accepted(process.token())


@pytest.mark.parametrize("every", [1, 12, 30])
def test_of_two_hundred_mailboxes_that_cron_polls_one_without_access_costs_no_request(
    machine: Machine, clock: HandClock, every: int
) -> None:
    for _ in range(44 // every + 1):
        poll(machine, good=199)
        clock.seconds += every * MINUTE
    assert machine.source.asked == 1


def test_a_token_that_let_nobody_in_is_not_given_to_the_next_process(
    machine: Machine, clock: HandClock
) -> None:
    poll(machine, good=0)
    clock.seconds += 5 * MINUTE
    poll(machine, good=0)
    assert machine.process().token() == "canary-token-2"


def test_a_dropped_token_is_not_taken_from_a_file_that_could_not_be_changed(
    machine: Machine, clock: HandClock
) -> None:
    process = machine.process()
    process.token()
    clock.seconds += 5 * MINUTE
    with machine.file().turn(0):
        process.refused("canary-token-1")
    assert process.token() == "canary-token-2"


def test_under_cron_a_token_is_not_believed_for_ever_because_it_let_somebody_in_once(
    machine: Machine, clock: HandClock
) -> None:
    machine.source.lifetime = DAY
    poll(machine, good=1, bad=0)
    for _ in range(4):
        clock.seconds += 10 * MINUTE
        poll(machine, good=0)
    assert machine.process().token() == "canary-token-2"


def test_who_is_let_in_by_the_next_process_ends_the_doubt_of_the_one_before(
    machine: Machine, clock: HandClock
) -> None:
    machine.source.lifetime = DAY
    poll(machine, good=1, bad=0)
    clock.seconds += 12 * MINUTE
    poll(machine, good=0)  # only the mailbox without access, by hand
    clock.seconds += MINUTE
    poll(machine, good=1, bad=0)
    clock.seconds += 15 * MINUTE
    poll(machine, good=0)
    assert machine.process().token() == "canary-token-1"


def test_that_it_let_somebody_in_is_written_seldom(machine: Machine, clock: HandClock) -> None:
    process = machine.process()
    machine.source.lifetime = DAY
    written = set()
    for _ in range(60):
        for _ in range(100):
            process.accepted(process.token())
        written.add(machine.path.stat().st_ino)
        clock.seconds += MINUTE
    assert len(written) <= 13


def test_so_is_it_beside_a_mailbox_without_access(machine: Machine, clock: HandClock) -> None:
    process = machine.process()
    machine.source.lifetime = DAY
    before, changes = 0, 0
    for _ in range(60):
        process.refused(process.token())
        process.accepted(process.token())
        now = machine.path.stat().st_mtime_ns
        before, changes = now, changes + (now != before)
        clock.seconds += MINUTE
    assert changes <= 13


def test_a_token_without_a_life_is_not_kept(machine: Machine) -> None:
    machine.source.lifetime = 0.0
    machine.process().token()
    assert not machine.path.exists()


def test_a_directory_that_is_gone_meanwhile_is_made_again(machine: Machine, clock: HandClock) -> None:
    process = machine.process()
    process.token()
    for path in sorted((machine.folder / "tokens").iterdir()):
        path.unlink()
    (machine.folder / "tokens").rmdir()
    clock.seconds += 45 * MINUTE
    process.token()
    assert machine.process().token() == "canary-token-2"


def test_whatever_happens_to_the_file_a_token_comes(machine: Machine, clock: HandClock) -> None:
    (machine.folder / "tokens").write_text("")
    process = machine.process()
    with capture_logs() as logged:
        for _ in range(60):
            process.accepted(process.token())
            process.refused(process.token())
            clock.seconds += MINUTE
    assert len(logged) == 1
    assert machine.source.asked == 2


def test_files_of_credentials_that_are_gone_do_not_pile_up(machine: Machine, clock: HandClock) -> None:
    machine.process().token()
    old = machine.folder / "tokens" / "two.token"
    old.touch(0o600)
    os.utime(old, (0, 0))
    clock.seconds += 45 * MINUTE
    machine.process().token()
    assert not old.exists()


def test_no_token_shows_in_a_repr(machine: Machine) -> None:
    process = machine.process()
    process.token()
    process.accepted("canary-token-1")
    assert "canary" not in repr(vars(process))
