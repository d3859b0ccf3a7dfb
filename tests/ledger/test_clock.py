"""The ledger's clock, whatever happens to the machine's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailsluice.ledger.clock import LedgerClock
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import MailboxKey, SessionReport
from mailsluice.outcome import Outcome

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KEY = MailboxKey("pop.example", "a@acme.example")
STEPS = pytest.mark.parametrize(
    "step", [sign * size for sign in (1, -1) for size in (HOUR, DAY, 3650 * DAY)], ids=str
)


class Machine:
    """Its clocks, moved by hand."""

    def __init__(self) -> None:
        self.wall = START
        self.boot = "first"
        self.seconds = 100.0

    def now(self) -> datetime:
        return self.wall

    def uptime(self) -> tuple[str, float]:
        return self.boot, self.seconds

    def live(self, for_: timedelta) -> None:
        self.wall += for_
        self.seconds += for_.total_seconds()

    def restart(self, off_for: timedelta) -> None:
        self.wall += off_for
        self.boot, self.seconds = "second", 0.0


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_it_begins_as_the_time_of_day(machine: Machine) -> None:
    assert LedgerClock(machine, None).moment().time == START


@STEPS
def test_no_setting_of_the_machines_clock_moves_it(machine: Machine, step: timedelta) -> None:
    clock = LedgerClock(machine, None)
    machine.live(HOUR)
    machine.wall += step
    machine.live(HOUR)

    assert clock.moment().time == START + 2 * HOUR


@STEPS
def test_a_clock_that_is_set_between_two_processes_does_not_move_it_either(
    machine: Machine, step: timedelta
) -> None:
    last = LedgerClock(machine, None).moment()
    machine.live(HOUR)
    machine.wall += step

    assert LedgerClock(machine, last).moment().time == START + HOUR


def test_while_the_machine_was_off_the_time_of_day_tells_how_long(machine: Machine) -> None:
    last = LedgerClock(machine, None).moment()
    machine.restart(off_for=3 * HOUR)

    assert LedgerClock(machine, last).moment().time == START + 3 * HOUR


@pytest.mark.parametrize(("off_for", "passed"), [(2 * DAY, DAY), (3650 * DAY, DAY), (-DAY, timedelta())])
def test_a_start_of_the_machine_makes_no_message_older_than_a_day_nor_any_younger(
    machine: Machine, off_for: timedelta, passed: timedelta
) -> None:
    last = LedgerClock(machine, None).moment()
    machine.restart(off_for)

    assert LedgerClock(machine, last).moment().time == START + passed


def test_it_goes_on_after_a_start_of_the_machine(machine: Machine) -> None:
    last = LedgerClock(machine, None).moment()
    machine.restart(off_for=HOUR)
    clock = LedgerClock(machine, last)
    clock.moment()
    machine.live(HOUR)

    assert clock.moment().time == START + 2 * HOUR


def report(machine: Machine) -> SessionReport:
    return SessionReport("a", machine.wall, 0, 0, 0, 0, 0, 0.0, 0, Outcome.OK, "")


def test_a_ledger_goes_on_from_the_last_session_that_was_noted(tmp_path: Path, machine: Machine) -> None:
    with Ledger(tmp_path / "state", clock=machine) as ledger:
        machine.live(HOUR)
        ledger.reports.note_session(KEY, report(machine))
        ledger.reports.flush()
    machine.live(HOUR)
    machine.wall += 3650 * DAY

    with Ledger(tmp_path / "state", clock=machine) as again:
        assert again.now() == START + 2 * HOUR


def test_a_ledger_that_is_only_read_keeps_its_time_too(tmp_path: Path, machine: Machine) -> None:
    with Ledger(tmp_path / "state", clock=machine) as ledger:
        ledger.reports.note_session(KEY, report(machine))
        ledger.reports.flush()
    machine.wall -= DAY

    with Ledger(tmp_path / "state", clock=machine, read_only=True) as again:
        assert again.now() == START
