"""What the end of a poll means for the next ones, put together of pacing, answers and timetable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from mailsluice.config.models import Mailbox
from mailsluice.errors import (
    LoginRefused,
    MailboxLocked,
    MailsluiceError,
    Phase,
    SecretError,
    ServerUnreachable,
    SinkError,
    TokenBarred,
    TokenRefused,
)
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


def wrong() -> SecretError:
    return SecretError("keyring:acme: the keyring has no secret of that name")


def bad_password() -> LoginRefused:
    words = "-ERR Logon failure: unknown user name or bad password."
    return LoginRefused("the login was refused", phase=Phase.AUTH, reply=words)


@pytest.mark.parametrize(
    "error",
    [wrong(), TokenRefused("AADSTS7000222: expired"), bad_password(), TokenBarred("HTTP 407")],
    ids=type,
)
def test_who_was_refused_is_polled_at_once_when_the_secret_is_renewed(
    office: Office, error: MailsluiceError
) -> None:
    for _ in range(4):
        office.polled("a", error)
        office.clock.passed += 15 * MINUTE
    office.polled("a", error)
    assert office.due_in("a") > 10 * MINUTE

    office.accounting.renewed(["acme"])
    with capture_logs() as logs:
        office.accounting.try_renewed()

    assert office.due_in("a") == timedelta()
    assert office.noted["a"] == office.clock.now()
    assert office.accounting.begin(office.boxes["a"])
    assert logs == [
        {"event": events.CREDENTIAL_RENEWED, "credential": "acme", "mailboxes": 1, "log_level": "info"}
    ]


def test_a_secret_that_is_renewed_too_often_is_tried_later_and_that_is_said_once(office: Office) -> None:
    second = timedelta(seconds=1)
    office.polled("a", wrong(), lasts=second)
    first = office.clock.now()
    for _ in range(3):
        office.accounting.renewed(["acme"])
        office.accounting.try_renewed()
        office.polled("a", wrong(), lasts=second)
    office.accounting.renewed(["acme"])
    with capture_logs() as logs:
        for _ in range(3):
            office.accounting.try_renewed()
    until = (first + 15 * MINUTE).isoformat(timespec="seconds")
    assert [(line["event"], line["until"]) for line in logs] == [(events.RENEWAL_PUT_OFF, until)]


@pytest.mark.parametrize("error", [SinkError("full"), refused()], ids=["sink", "throttled"])
def test_who_failed_for_another_reason_waits_on(office: Office, error: MailsluiceError) -> None:
    office.polled("a", error)
    due = office.due_in("a")
    office.accounting.renewed(["acme"])
    office.accounting.try_renewed()
    assert office.due_in("a") == due


def test_a_secret_of_one_credential_brings_no_mailbox_of_another(office: Office) -> None:
    office.polled("other", wrong())
    due = office.due_in("other")
    office.accounting.renewed(["acme"])
    office.accounting.try_renewed()
    assert office.due_in("other") == due


def test_the_mailboxes_of_a_credential_that_slowed_down_by_refusals_come_back_too(office: Office) -> None:
    for name in ("a", "b"):
        office.polled(name, TokenRefused("expired"), lasts=timedelta(seconds=1))
    assert office.due_in("c") > MINUTE

    office.accounting.renewed(["acme"])
    office.accounting.try_renewed()

    assert [office.due_in(name) for name in ("a", "b")] == [timedelta()] * 2
    assert office.due_in("c") <= MINUTE


def test_a_throttled_credential_is_left_alone_whatever_secret_is_set(office: Office) -> None:
    for name in ("a", "b"):
        office.polled(name, refused())
    due = {name: office.due_in(name) for name in ("a", "b", "c")}
    office.accounting.renewed(["acme"])
    office.accounting.try_renewed()
    assert {name: office.due_in(name) for name in ("a", "b", "c")} == due


def test_of_a_throttled_credential_only_who_was_refused_is_polled_when_its_secret_is_renewed(
    office: Office,
) -> None:
    office.polled("c", TokenRefused("expired"), lasts=timedelta(seconds=1))
    office.polled("a", refused(), lasts=timedelta(seconds=1))
    assert office.due_in("b") > MINUTE
    due = {name: office.due_in(name) for name in ("a", "b")}
    office.accounting.renewed(["acme"])
    office.accounting.try_renewed()
    assert office.due_in("c") == timedelta()
    assert {name: office.due_in(name) for name in ("a", "b")} == due


def test_a_poll_that_still_had_the_former_secret_is_repeated_when_it_ends(office: Office) -> None:
    assert office.accounting.begin(office.boxes["a"])
    office.clock.passed += MINUTE
    office.accounting.renewed(["acme"])
    office.accounting.try_renewed()
    office.ended("a", TokenRefused("expired"))
    assert office.due_in("a") > MINUTE

    office.accounting.try_renewed()

    assert office.due_in("a") == timedelta()


def test_a_wrong_secret_puts_the_mailbox_off_again(office: Office) -> None:
    office.polled("a", TokenRefused("expired"))
    office.accounting.renewed(["acme"])
    office.accounting.try_renewed()
    office.polled("a", TokenRefused("wrong"))
    assert office.due_in("a") > MINUTE
    office.accounting.try_renewed()
    assert office.due_in("a") > MINUTE


def test_after_a_reload_who_was_refused_is_still_known_unless_it_is_new(office: Office) -> None:
    office.polled("a", wrong())
    office.polled("other", wrong())
    office.accounting.follow(office.boxes, {"other"})
    assert office.accounting.refused() == {"acme"}
    office.accounting.follow({"b": office.boxes["b"]}, set())
    assert office.accounting.refused() == set()


def test_a_poll_that_did_not_take_place_says_nothing_about_the_secret(office: Office) -> None:
    office.polled("a", wrong())
    office.clock.passed += 15 * MINUTE
    office.polled("a", MailboxLocked("another process polls it"))
    assert office.accounting.refused() == {"acme"}
    office.clock.passed += 15 * MINUTE
    office.polled("a")
    assert office.accounting.refused() == set()
