"""What the end of a poll means for the next ones, put together of pacing, answers and timetable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from mailsluice.config.models import Mailbox
from mailsluice.errors import LoginRefused, MailsluiceError, Phase, ServerUnreachable, SinkError
from mailsluice.model import MailboxKey
from mailsluice.obs import events
from mailsluice.outcome import Answer
from mailsluice.polling.accounting import Accounting
from mailsluice.polling.answers import Answers
from mailsluice.polling.pacing import Pacing
from mailsluice.polling.schedule import Schedule
from mailsluice.session.counts import Counts
from mailsluice.session.triage import triage

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class LeapingClock:
    def __init__(self) -> None:
        self.passed = timedelta()

    def now(self) -> datetime:
        return START + self.passed

    def monotonic(self) -> float:
        return self.passed.total_seconds()


class Office:
    """Mailboxes `a`, `b` and `c` of one credential and `other` of another, each polled every minute.

    Nobody polls: a test says who does, and how it goes.
    """

    def __init__(self) -> None:
        self.clock = LeapingClock()
        self.boxes = {name: mailbox(name, "acme" if len(name) == 1 else "tenant") for name in NAMES}
        answers = Answers(self.boxes.values())
        self.schedule = Schedule(4, self.clock, answers.is_aside)
        self.noted: dict[str, datetime | None] = {}
        self.accounting = Accounting(
            self.boxes,
            answers=answers,
            pacing=Pacing(self.boxes.values(), 0, lambda: 0.0),
            schedule=self.schedule,
            note_next_poll=self._note,
            clock=self.clock,
        )
        for box in self.boxes.values():
            self.schedule.add(box, lambda: None)

    def _note(self, _key: MailboxKey, name: str, due: datetime | None) -> None:
        self.noted[name] = due

    def polled(self, name: str, error: MailsluiceError | None = None, *, lasts: timedelta = MINUTE) -> None:
        """Begin a poll, and end it so much later."""
        assert self.accounting.begin(self.boxes[name])
        self.clock.passed += lasts
        self.ended(name, error)

    def ended(self, name: str, error: MailsluiceError | None = None) -> None:
        counts = Counts(name, self.clock)
        result = counts.polled() if error is None else counts.polled(error, triage(error))
        self.accounting.end(self.boxes[name], result)

    def due_in(self, name: str) -> timedelta:
        due = self.schedule.next_poll(name)
        assert due is not None
        return due - self.clock.now()


NAMES = ("a", "b", "c", "other")


def mailbox(name: str, credential: str) -> Mailbox:
    usual = {"name": name, "address": f"{name}@x.example", "credential": credential, "host": "here"}
    return Mailbox.model_validate({**usual, "sink": {"kind": "spool", "path": "/spool"}, "every": "1m"})


@pytest.fixture
def office() -> Office:
    return Office()


def refused() -> LoginRefused:
    return LoginRefused("the login was refused", phase=Phase.AUTH, reply="-ERR Server Unavailable. 21")


def test_a_poll_that_went_well_puts_nobody_off(office: Office) -> None:
    before = {name: office.schedule.next_poll(name) for name in NAMES}

    office.polled("a")

    assert {name: office.schedule.next_poll(name) for name in NAMES} == before


def test_a_failure_puts_its_mailbox_off_and_that_is_noted(office: Office) -> None:
    office.polled("a", SinkError("full"))

    assert office.due_in("a") > MINUTE
    assert office.noted == {"a": office.schedule.next_poll("a")}


def test_what_comes_too_early_is_put_off_and_not_begun(office: Office) -> None:
    office.polled("a", SinkError("full"))
    office.schedule.set_due("a", timedelta())

    assert office.accounting.begin(office.boxes["a"]) is False
    assert office.due_in("a") > MINUTE
    assert office.noted["a"] == office.schedule.next_poll("a")


def test_a_credential_that_is_throttled_puts_all_its_mailboxes_off_and_no_other(office: Office) -> None:
    with capture_logs() as logs:
        office.polled("a", refused())
        office.polled("b", refused())

    (told,) = logs
    assert (told["event"], told["credential"]) == (events.CREDENTIAL_SLOWED, "acme")
    assert "the login was refused" in told["cause"]
    assert office.due_in("c") > MINUTE
    assert office.due_in("other") <= MINUTE
    assert office.noted["c"] == office.schedule.next_poll("c")


def test_a_success_ends_the_slow_down(office: Office) -> None:
    office.polled("a", refused())
    office.polled("b", refused())
    office.clock.passed += timedelta(hours=1)
    with capture_logs() as logs:
        office.polled("c")

    assert [told["event"] for told in logs] == [events.CREDENTIAL_RECOVERED]


def test_a_host_that_is_back_brings_forward_who_failed_with_it(office: Office) -> None:
    silence = ServerUnreachable("no answer", phase=Phase.CONNECT)
    assert triage(silence).answer is not Answer.GIVEN
    office.polled("a", silence)
    put_off = office.due_in("a")
    office.polled("b", lasts=timedelta(seconds=1))

    assert office.due_in("a") <= MINUTE < put_off


def test_a_timetable_that_was_made_anew_is_made_to_wait_again(office: Office) -> None:
    office.polled("a", SinkError("full"))
    office.schedule.set_due("a", timedelta())
    office.accounting.leave_all_alone()

    assert office.due_in("a") > MINUTE


def test_who_began_anew_is_put_off_no_more(office: Office) -> None:
    office.polled("a", SinkError("full"))
    office.accounting.follow(office.boxes, anew={"a"})

    assert office.accounting.begin(office.boxes["a"])


def test_of_who_is_no_more_on_the_timetable_no_next_poll_is_noted(office: Office) -> None:
    office.schedule.remove("a")
    office.accounting.note_due(office.boxes["a"])

    assert office.noted == {"a": None}
