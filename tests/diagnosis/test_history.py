"""What former polls tell of a mailbox and of its siblings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailsluice.config.models import Mailbox
from mailsluice.diagnosis.facts import History
from mailsluice.diagnosis.history import history_of
from mailsluice.model import MailboxKey, SessionReport
from mailsluice.outcome import Outcome
from mailsluice.report import MailboxReport

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
YESTERDAY = NOW - timedelta(days=1)


def box(name: str, *, credential: str = "acme", host: str = "pop.example") -> Mailbox:
    sink = {"kind": "spool", "path": f"/var/spool/{name}"}
    address = f"{name}@acme.example"
    return Mailbox.model_validate(
        {"name": name, "address": address, "credential": credential, "host": host, "sink": sink}
    )


A, B = box("a"), box("b")


def report(mailbox: Mailbox, outcome: Outcome) -> dict[MailboxKey, MailboxReport]:
    """A mailbox that was polled well yesterday, and whose latest session ended so."""
    last = SessionReport(mailbox.name, NOW, 0, 0, 0, 0, 0, 0.0, 0, outcome, "")
    return {mailbox.key: MailboxReport(mailbox.name, None, YESTERDAY, 0, "", 0, last)}


def test_a_sibling_gets_in_if_its_latest_session_went_well() -> None:
    assert history_of(A, [A, B], report(B, Outcome.OK), NOW) == History(NOW, None, "b", YESTERDAY)


@pytest.mark.parametrize("outcome", [Outcome.STOPPED, Outcome.MAILBOX_LOCKED, Outcome.SINK_ERROR])
def test_a_sibling_whose_latest_session_shows_no_login_tells_nothing(outcome: Outcome) -> None:
    assert history_of(A, [A, B], report(B, outcome), NOW) == History(NOW)


def test_a_sibling_that_was_refused_last_is_counted() -> None:
    assert history_of(A, [A, B], report(B, Outcome.LOGIN_REFUSED), NOW) == History(NOW, refused=1)


@pytest.mark.parametrize("other", [box("b", credential="other"), box("b", host="imap.example"), A])
def test_only_another_mailbox_of_the_credential_on_the_server_is_a_sibling(other: Mailbox) -> None:
    assert history_of(A, [A, other], report(other, Outcome.OK), NOW).sibling == ""


def test_what_was_just_seen_counts_more_than_a_report() -> None:
    shut_out = history_of(A, [A, B], report(B, Outcome.OK), NOW, refused=[B.key])
    assert shut_out == History(NOW, refused=1)
    let_in = history_of(A, [A, B], report(B, Outcome.LOGIN_REFUSED), NOW, let_in=[B.key])
    assert let_in == History(NOW, None, "b", NOW)


def test_of_several_siblings_the_one_that_got_in_last_is_named() -> None:
    both = report(B, Outcome.OK)
    assert history_of(A, [B, box("c")], both, NOW, let_in=[box("c").key]).sibling == "c"


def test_the_mailbox_s_own_last_success_is_told() -> None:
    assert history_of(A, [A], report(A, Outcome.LOGIN_REFUSED), NOW).let_in == YESTERDAY


def test_a_mailbox_that_is_in_now_was_let_in_now() -> None:
    assert history_of(A, [A], {}, NOW, let_in=[A.key]).let_in == NOW
